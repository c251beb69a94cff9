"""The guide's MLflow and REST code, run as it stands, with the MLflow client that we install."""

import sys
from typing import Any

import pytest

from tests.journeys import guide
from tests.support.gateway import RunningGateway


def test_wallet_reads_with_the_guides_class(gateway: RunningGateway) -> None:
    printed = guide.run("rest_eth", f"{gateway.url}/api", "none", sys.executable)

    assert printed == "The wallet has ['Default']\n"


def test_key_reads_with_the_guides_headers(gateway: RunningGateway) -> None:
    printed = guide.run("rest_key", f"{gateway.url}/api", gateway.key(), sys.executable)

    assert printed == "The key has ['Default']\n"


def test_wrong_key_is_refused_with_a_reason(gateway: RunningGateway) -> None:
    with pytest.raises(AssertionError, match="key_invalid"):
        guide.run("rest_key", f"{gateway.url}/api", "hk_live_wrong", sys.executable)


def test_quick_example_registers_a_model_within_the_limit_of_a_new_key(
    gateway: RunningGateway,
) -> None:
    key = gateway.key(rate_limit=100)

    printed = guide.run("mlflow_quick", f"{gateway.url}/api", key, sys.executable)

    (version,) = registered_versions(gateway, key, "my_classifier")
    assert version["run_id"] in printed


def test_complete_example_registers_each_model_twice(gateway: RunningGateway) -> None:
    key = gateway.key(rate_limit=100)

    printed = guide.run("mlflow_complete", f"{gateway.url}/api", key, sys.executable)

    # Once by log_model and once by create_model_version, for the baseline and the improved model.
    versions = registered_versions(gateway, key, "third_party_classifier")
    assert sorted(version["version"] for version in versions) == ["1", "2", "3", "4"]
    assert "Model Version: 4\n" in printed
    # MLflow gives a run's metrics in no order.
    (impact,) = [line for line in printed.splitlines() if line.startswith("Performance Impact: ")]
    assert "'accuracy': {'baseline': " in impact


def registered_versions(gateway: RunningGateway, key: str, model: str) -> list[dict[str, Any]]:
    with gateway.client(key) as client:
        answer = client.get(
            "/api/mlflow/api/2.0/mlflow/model-versions/search", params={"filter": f"name='{model}'"}
        )
    assert answer.status_code == 200, answer.text
    versions: list[dict[str, Any]] = answer.json()["model_versions"]
    return versions
