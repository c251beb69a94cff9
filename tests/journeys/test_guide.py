"""The guide's code, run as it stands, with the MLflow client and the SDK that we install."""

import sys
from typing import Any

import pytest

from tests.support import guide
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


def test_sdk_registers_a_baseline_within_the_limit_of_a_new_key(gateway: RunningGateway) -> None:
    key = gateway.key(rate_limit=100)

    printed = guide.run("sdk_quick", f"{gateway.url}/api", key, sys.executable)

    (model,) = registered_models(gateway, key)
    assert f"Model registered: {model['model_id']}\n" in printed
    assert (model["kind"], model["metrics"]) == ("baseline", {"accuracy": 0.89})


def test_sdk_registers_an_improvement_and_a_token(gateway: RunningGateway) -> None:
    key = gateway.key(rate_limit=100)

    printed = guide.run("sdk_detailed", f"{gateway.url}/api", key, sys.executable)

    tokenized, improved, baseline = registered_models(gateway, key)
    assert improved["baseline_model_id"] == baseline["model_id"]
    assert improved["contributors"][0]["address"].lower() == guide.ADDRESS.lower()
    assert tokenized["token_id"] == "customer-churn"
    # The SDK put the improved metrics into the run, so the record has the same difference.
    assert "Improved True\nAttested claimed " in printed


def test_sdks_complete_example_keeps_two_models_of_one_run_apart(gateway: RunningGateway) -> None:
    key = gateway.key(rate_limit=100)

    printed = guide.run("sdk_complete", f"{gateway.url}/api", key, sys.executable)

    assert printed.endswith("Improved by 0.07 claimed\nRecorded 0.07\n")
    improved, baseline = registered_models(gateway, key)
    assert improved["run_id"] == baseline["run_id"]
    assert improved["model_uri"] != baseline["model_uri"]


def test_sdks_reference_needs_no_gateway_to_begin() -> None:
    printed = guide.run("sdk_reference", "http://127.0.0.1:9/api", "hk_live_any", sys.executable)

    assert printed == "ModelRegistry('http://127.0.0.1:9/api/mlflow')\n"


def registered_models(gateway: RunningGateway, key: str) -> list[dict[str, Any]]:
    """Those of the key's own tenant, newest first."""
    with gateway.client(key) as client:
        tenant = client.get("/api/auth/whoami").json()["tenant"]
        answer = client.get("/api/models", params={"tenant": tenant})
    assert answer.status_code == 200, answer.text
    models: list[dict[str, Any]] = answer.json()["items"]
    return models


def registered_versions(gateway: RunningGateway, key: str, model: str) -> list[dict[str, Any]]:
    with gateway.client(key) as client:
        answer = client.get(
            "/api/mlflow/api/2.0/mlflow/model-versions/search", params={"filter": f"name='{model}'"}
        )
    assert answer.status_code == 200, answer.text
    versions: list[dict[str, Any]] = answer.json()["model_versions"]
    return versions
