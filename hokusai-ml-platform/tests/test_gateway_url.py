"""One gateway, however its URL is written."""

from __future__ import annotations

import pytest

from hokusai.errors import ConfigurationError
from hokusai.gateway_url import GatewayURL


@pytest.mark.parametrize(
    "url",
    [
        "https://Registry.Hokus.ai",
        "https://registry.hokus.ai/",
        "https://registry.hokus.ai/api",
        "https://registry.hokus.ai/api/mlflow",
        " https://registry.hokus.ai/api/mlflow/ ",
    ],
)
def test_every_form_leads_to_the_same_gateway(url: str) -> None:
    address = GatewayURL.parse(url)

    assert address.origin == "https://registry.hokus.ai:443"
    assert address.api == "https://registry.hokus.ai/api"
    assert address.tracking == "https://registry.hokus.ai/api/mlflow"


def test_a_gateway_may_stand_below_a_path_and_on_a_port() -> None:
    address = GatewayURL.parse("http://[::1]:8000/models/api/mlflow")

    assert address.origin == "http://[::1]:8000"
    assert address.tracking == "http://[::1]:8000/models/api/mlflow"


@pytest.mark.parametrize(
    "url",
    [
        "./mlruns",
        "file:///tmp/mlruns",
        "sqlite:///mlflow.db",
        "databricks",
        "https://",
        "https://host/elsewhere",
        "https://host:port/api",
        "https://host/api?token=x",
        "https://host/api#x",
        "",
    ],
)
def test_what_is_no_gateway_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="gateway"):
        GatewayURL.parse(url)


def test_a_credential_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as refused:
        GatewayURL.parse("https://user:hk_live_secret@host/api/mlflow")

    assert "hk_live_secret" not in str(refused.value)


def test_the_default_is_the_first_variable_that_names_a_gateway() -> None:
    everything = {
        "HOKUSAI_URL": "https://first",
        "HOKUSAI_API_ENDPOINT": "https://second",
        "MLFLOW_TRACKING_URI": "https://third",
    }
    assert GatewayURL.resolve(None, everything).api == "https://first/api"
    del everything["HOKUSAI_URL"]
    assert GatewayURL.resolve(None, everything).api == "https://second/api"
    del everything["HOKUSAI_API_ENDPOINT"]
    assert GatewayURL.resolve(None, everything).api == "https://third/api"


def test_a_local_store_in_the_environment_is_not_taken_for_a_gateway() -> None:
    with pytest.raises(ConfigurationError, match="HOKUSAI_URL"):
        GatewayURL.resolve(None, {"MLFLOW_TRACKING_URI": "file:///tmp/mlruns"})
