"""The names that users of the platform's own SDK know."""

from __future__ import annotations

from typing import Any

import pytest

import hokusai
from hokusai.core import ModelRegistry
from hokusai.core import registry as registry_module
from hokusai.errors import NotFoundError
from hokusai.tracking import ExperimentManager, PerformanceTracker
from scripted import KEY, Response, ScriptedServer

pytestmark = pytest.mark.usefixtures("isolated_mlflow")

WHOAMI = Response(document={"tenant": "acme"})


@pytest.fixture
def registry(server: ScriptedServer) -> ModelRegistry:
    return ModelRegistry(server.url, api_key=KEY)


@pytest.fixture
def no_setup(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `setup` names is forgotten after the test."""
    monkeypatch.setattr(registry_module, "_named_by_setup", (None, None, None))


def page(*models: dict[str, Any]) -> Response:
    return Response(document={"items": list(models), "next": None})


def test_models_of_a_type_are_those_of_the_caller(
    registry: ModelRegistry, server: ScriptedServer
) -> None:
    server.respond_with(WHOAMI, page({"model_id": "b"}, {"model_id": "a"}))

    assert [model.model_id for model in registry.list_models_by_type("t")] == ["b", "a"]
    assert server.requests[1].path == "/api/models?type=t&tenant=acme"


def test_the_latest_model_is_the_newest_that_still_counts(
    registry: ModelRegistry, server: ScriptedServer
) -> None:
    server.respond_with(
        WHOAMI,
        page(
            {"model_id": "d", "withdrawn": {"reason": "r"}, "gone_at": None},
            {"model_id": "c", "withdrawn": None, "gone_at": "2026-11-28T10:00:00Z"},
            {"model_id": "b", "withdrawn": None, "gone_at": None},
            {"model_id": "a", "withdrawn": None, "gone_at": None},
        ),
        Response(document={"model_id": "b", "metadata": {}}),
    )

    latest = registry.get_latest_model("t")
    assert latest is not None
    assert latest.metadata == {}
    assert server.requests[-1].path == "/api/models/b"


def test_without_a_model_there_is_no_latest(
    registry: ModelRegistry, server: ScriptedServer
) -> None:
    server.respond_with(WHOAMI, page())

    assert registry.get_latest_model("t") is None


def test_a_tokenized_model_is_found_by_its_version(
    registry: ModelRegistry, server: ScriptedServer
) -> None:
    listed = page(
        {"model_id": "b", "mlflow_version": "2"}, {"model_id": "a", "mlflow_version": "1"}
    )
    server.respond_with(WHOAMI, listed, Response(document={"model_id": "a"}), WHOAMI, listed)

    assert registry.get_tokenized_model("M", 1).model_id == "a"
    assert server.requests[1].path == "/api/models?name=M&kind=tokenized&tenant=acme"
    with pytest.raises(NotFoundError, match="models:/M/7"):
        registry.get_tokenized_model("M", "7")


def test_the_other_names_are_those_of_one_request(
    registry: ModelRegistry, server: ScriptedServer
) -> None:
    one = Response(document={"member": 1})
    server.respond_with(one, one, one, one, page({"model_id": "a"}))

    assert registry.get_model_by_id("m").member == 1
    assert registry.get_model_lineage("m").member == 1
    assert registry.get_contributor_impact("0xab").member == 1
    assert PerformanceTracker(registry).get_contributor_impact("0xab").member == 1
    assert [model.model_id for model in registry.list_models_by_token("tok")] == ["a"]
    assert [request.path for request in server.requests] == [
        "/api/models/m",
        "/api/models/m/lineage",
        "/api/contributors/0xab",
        "/api/contributors/0xab",
        "/api/models?token=tok",
    ]


def test_two_models_are_compared_by_what_was_registered(
    registry: ModelRegistry, server: ScriptedServer
) -> None:
    higher = {"accuracy": True, "loss": False}
    server.respond_with(
        Response(document={"metrics": {"accuracy": 0.85, "loss": 0.4}, "higher_is_better": higher}),
        Response(
            document={
                "metrics": {"accuracy": 0.88, "loss": 0.3, "f1": 0.5},
                "higher_is_better": {**higher, "f1": True},
            }
        ),
    )

    found = ExperimentManager(registry).compare_models("a", "b")
    assert found.differences == {"accuracy": 0.03, "loss": -0.1}
    assert found.improvements == {"accuracy": 0.03, "loss": 0.1}
    assert found.candidate_metrics["f1"] == 0.5


def test_setup_names_the_gateway_and_the_key_for_later_registries(
    no_setup: None, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOKUSAI_API_KEY", "hk_live_of_the_environment")
    server.respond_with(WHOAMI)
    hokusai.setup(api_key=KEY, api_endpoint=server.url)

    later = ModelRegistry()
    assert later.whoami().tenant == "acme"
    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"
    assert later.client.url == ModelRegistry(server.url).client.url
