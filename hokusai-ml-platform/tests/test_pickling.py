"""Registries, managers and trackers go to other processes, without the credential."""

from __future__ import annotations

import copy
import pickle
from typing import Any, Callable

import cloudpickle
import pytest

from hokusai.core import ModelRegistry
from hokusai.errors import CredentialError
from hokusai.tracking import ExperimentManager, PerformanceTracker
from scripted import Response, ScriptedServer

pytestmark = pytest.mark.usefixtures("isolated_mlflow")

SECRET = "hk_live_" + "s" * 43 + "_000000"
OTHER = "hk_live_" + "o" * 43 + "_000000"
MAKERS: dict[str, Callable[[ModelRegistry], Any]] = {
    "registry": lambda registry: registry,
    "manager": ExperimentManager,
    "tracker": PerformanceTracker,
    "client": lambda registry: registry.client,
}


def client_of(thing: Any) -> Any:
    for name in ("registry", "_registry", "client"):
        thing = getattr(thing, name, thing)
    return thing


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("module", [pickle, cloudpickle])
def test_a_pickled_object_has_no_secret_and_finds_the_credential_anew(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, kind: str, module: Any
) -> None:
    server.respond_with(Response(document={"limit": 1}))
    thing = MAKERS[kind](ModelRegistry(server.url, api_key=SECRET, retry_seconds=7))
    data = module.dumps(thing)
    assert SECRET.encode() not in data

    client = client_of(module.loads(data))
    with pytest.raises(CredentialError, match="pickled"):
        client.request("GET", "/limits")
    monkeypatch.setenv("HOKUSAI_API_KEY", OTHER)
    client = client_of(module.loads(data))
    client.request("GET", "/limits")
    assert server.requests[-1].headers["Authorization"] == f"Bearer {OTHER}"
    assert client._retry_seconds == 7


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_a_copy_in_the_same_process_keeps_the_credential(
    server: ScriptedServer, kind: str, duplicate: Callable[[Any], Any]
) -> None:
    server.respond_with(Response(document={"limit": 1}))
    thing = MAKERS[kind](ModelRegistry(server.url, api_key=SECRET))
    client_of(duplicate(thing)).request("GET", "/limits")
    assert server.requests[-1].headers["Authorization"] == f"Bearer {SECRET}"


def test_an_unpickled_registry_is_the_default_of_a_new_process(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    from hokusai.core import registry

    data = pickle.dumps(ModelRegistry(server.url, api_key=SECRET))
    other = ModelRegistry("http://127.0.0.1:9/api/mlflow", api_key=SECRET)
    pickle.loads(data)  # noqa: S301 - made above
    assert registry.default_registry() is other

    monkeypatch.setattr(registry, "_default_registry", None)
    restored = pickle.loads(data)  # noqa: S301
    assert registry.default_registry() is restored
    assert mlflow.get_tracking_uri() == server.url
