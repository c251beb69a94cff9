"""The guide's MLflow and REST code, run as it stands, with the MLflow client that we install."""

import sys

import pytest

from tests.journeys import guide
from tests.support.gateway import RunningGateway


def test_wallet_reads_with_the_guide_s_class(gateway: RunningGateway) -> None:
    # It asserts for itself what it was answered: nobody else can sign for this wallet.
    assert guide.run("rest_eth", f"{gateway.url}/api", "unused", sys.executable) == ""


def test_key_reads_with_the_guide_s_headers(gateway: RunningGateway) -> None:
    assert guide.run("rest_key", f"{gateway.url}/api", gateway.key(), sys.executable) == ""


def test_quick_example_registers_a_model_within_the_limit_of_a_new_key(
    gateway: RunningGateway,
) -> None:
    key = gateway.key(rate_limit=100)

    printed = guide.run("mlflow_quick", f"{gateway.url}/api", key, sys.executable)

    assert "Model registered with run ID: " in printed
    assert registered_versions(gateway, key, "my_classifier") == ["1"]


def test_complete_example_registers_each_model_twice(gateway: RunningGateway) -> None:
    key = gateway.key()

    printed = guide.run("mlflow_complete", f"{gateway.url}/api", key, sys.executable)

    assert "Model registered successfully!" in printed
    assert "Performance Impact: {'accuracy': {'baseline': " in printed
    # Once by log_model and once by create_model_version, for the baseline and the improved model.
    assert registered_versions(gateway, key, "third_party_classifier") == ["1", "2", "3", "4"]


def test_the_guide_s_rest_code_is_refused_without_a_right_key(gateway: RunningGateway) -> None:
    with pytest.raises(AssertionError, match="key_invalid"):
        guide.run("rest_key", f"{gateway.url}/api", "hk_live_wrong", sys.executable)


def registered_versions(gateway: RunningGateway, key: str, model: str) -> list[str]:
    with gateway.client(key) as client:
        answer = client.get(
            "/api/mlflow/api/2.0/mlflow/model-versions/search", params={"filter": f"name='{model}'"}
        )
    assert answer.status_code == 200, answer.text
    return sorted(version["version"] for version in answer.json()["model_versions"])
