"""Parsing the URL of a gateway in all of its forms."""

from __future__ import annotations

import pytest

from hokusai.errors import ConfigurationError
from hokusai.gateway_url import GatewayURL, origin_of


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
def test_every_form_names_the_same_gateway(url: str) -> None:
    gateway = GatewayURL.parse(url)

    assert gateway.origin == "https://registry.hokus.ai:443"
    assert gateway.api == "https://registry.hokus.ai/api"
    assert gateway.tracking == "https://registry.hokus.ai/api/mlflow"


def test_a_gateway_may_be_below_a_path_and_on_another_port() -> None:
    gateway = GatewayURL.parse("http://[::1]:8000/models/api/mlflow")

    assert gateway.origin == "http://[::1]:8000"
    assert gateway.tracking == "http://[::1]:8000/models/api/mlflow"


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
def test_a_url_that_is_not_a_gateways_is_rejected(url: str) -> None:
    with pytest.raises(ConfigurationError, match="gateway"):
        GatewayURL.parse(url)


def test_a_credential_in_the_url_is_rejected_and_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as raised:
        GatewayURL.parse("https://user:hk_live_secret@host/api/mlflow")

    assert "hk_live_secret" not in str(raised.value)


def test_an_argument_is_preferred_to_the_environment() -> None:
    gateway = GatewayURL.resolve("https://argument", {"HOKUSAI_URL": "https://environment"})

    assert gateway.api == "https://argument/api"


def test_the_default_is_the_first_variable_that_names_a_gateway() -> None:
    variables = {
        "HOKUSAI_URL": "https://first",
        "HOKUSAI_API_ENDPOINT": "https://second",
        "MLFLOW_TRACKING_URI": "https://third",
    }
    assert GatewayURL.resolve(None, variables).api == "https://first/api"
    del variables["HOKUSAI_URL"]
    assert GatewayURL.resolve(None, variables).api == "https://second/api"
    del variables["HOKUSAI_API_ENDPOINT"]
    assert GatewayURL.resolve(None, variables).api == "https://third/api"


def test_a_local_mlflow_store_in_the_environment_is_ignored() -> None:
    with pytest.raises(ConfigurationError, match="HOKUSAI_URL"):
        GatewayURL.resolve(None, {"MLFLOW_TRACKING_URI": "file:///tmp/mlruns"})


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://Host/path", "http://host:80"),
        ("https://host:8443", "https://host:8443"),
        ("https://[::1]/", "https://[::1]:443"),
    ],
)
def test_the_origin_has_scheme_host_and_port(url: str, origin: str) -> None:
    assert origin_of(url) == origin
