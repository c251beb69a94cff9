"""What the registry shows of a model, and to whom."""

from typing import Any

from app.control_plane.registry.models import Model
from app.control_plane.registry.service import model_view
from app.core.request.principal import Principal
from app.database.engine import now

OWNER = Principal("key:a", "a", "acme", frozenset())
OTHER = Principal("key:b", "b", "other", frozenset())


def model(**columns: Any) -> Model:
    return Model(
        **{
            "model_id": "hkm_1",
            "kind": "baseline",
            "tenant": "acme",
            "private": False,
            "mlflow_name": "n",
            "mlflow_version": "1",
            "run_id": "r1",
            "model_uri": "runs:/r1/model",
            "model_type": "c",
            "stated_metadata": {"secret": 1},
            "metrics": {"accuracy": 0.5, "val_loss": 0.1, "strange": 1.0},
            "directions": {"strange": {"higher_is_better": False, "source": "said"}},
            "metric_sources": {
                "accuracy": {"source": "given", "at": "2026-01-01T00:00:00Z", "in_mlflow": 0.25},
                "val_loss": {"source": "seen", "at": "2026-01-01T00:00:00Z"},
            },
            "primary_metric": None,
            "baseline_model_id": None,
            "files": "pending",
            "share_files": False,
            "delta": {},
            "contributors": [],
            "token_id": None,
            "model_name": None,
            "metric_name": None,
            "baseline_value": None,
            "tags": {"k": "v"},
            "warnings": [{"code": "c", "message": "m"}],
            "created_at": now(),
            **columns,
        }
    )


def test_its_own_tenant_sees_all_of_a_model() -> None:
    view = model_view(model(), ["9f"], OWNER, [])
    assert (view.metadata, view.tags) == ({"secret": 1}, {"k": "v"})
    assert [warning.code for warning in view.warnings] == ["c"]
    assert view.attestations == ["9f"]
    assert view.run_id == view.mlflow_run_id == "r1"


def test_another_tenant_sees_no_metadata_tags_and_warnings() -> None:
    view = model_view(model(), [], OTHER, [])
    assert (view.metadata, view.tags, view.warnings) == ({}, {}, [])
    own = model_view(model(created_at=view.created_at), [], OWNER, [])
    hidden = {"metadata", "tags", "warnings", "metric_sources"}
    assert view.model_dump(exclude=hidden) == own.model_dump(exclude=hidden)


def test_every_metric_has_a_direction() -> None:
    assert model_view(model(), [], OTHER, []).higher_is_better == {
        "accuracy": True,
        "val_loss": False,
        "strange": False,
    }
    assert model_view(model(), [], OTHER, []).directions == {
        "accuracy": "known",
        "val_loss": "known",
        "strange": "said",
    }


def test_what_mlflow_has_instead_of_a_given_metric_shows_to_its_own_tenant_only() -> None:
    own = model_view(model(), [], OWNER, []).metric_sources
    assert (own["accuracy"].source, own["accuracy"].in_mlflow) == ("given", 0.25)
    other = model_view(model(), [], OTHER, []).metric_sources
    assert (other["accuracy"].source, other["accuracy"].in_mlflow) == ("given", None)
    assert other["val_loss"] == own["val_loss"]
