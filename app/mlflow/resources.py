"""What MLflow keeps, as far as the gateway reads it: runs, logged models, model versions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

# Names of the metrics that MLflow's clients log about the machine: CPU, memory, disk.
SYSTEM_METRICS = "system/"
_LOGGED_MODEL_SOURCE = re.compile(r"models:/(m-[A-Za-z0-9_-]{1,98})")


@dataclass(frozen=True, slots=True)
class Run:
    """A run.

    metrics: the last value of each metric, including values that are not finite.
    outputs: the step at which each logged model was made, by the model's id.
    is_deleted: whether it was deleted; MLflow still returns it, until it is removed for real.
    """

    run_id: str
    experiment_id: str
    artifact_uri: str
    metrics: dict[str, float]
    outputs: dict[str, int]
    is_deleted: bool = False

    @classmethod
    def parse(cls, run: Mapping[str, Any]) -> Self:
        """From the member `run` of GET runs/get."""
        info = run["info"]
        outputs = (run.get("outputs") or {}).get("model_outputs", [])
        return cls(
            run_id=str(info["run_id"]),
            experiment_id=str(info["experiment_id"]),
            artifact_uri=str(info["artifact_uri"]),
            # MLflow writes a number that is not finite as text.
            metrics={item["key"]: float(item["value"]) for item in run["data"].get("metrics", [])},
            outputs={str(item["model_id"]): int(item.get("step", 0)) for item in outputs},
            is_deleted=info.get("lifecycle_stage") == "deleted",
        )

    @property
    def model_metrics(self) -> dict[str, float]:
        """The metrics without MLflow's system metrics, which say nothing about the model."""
        return {
            name: value
            for name, value in self.metrics.items()
            if not name.startswith(SYSTEM_METRICS)
        }


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """A logged model of MLflow 3.

    created: milliseconds since 1970-01-01 UTC. artifact_uri: where its files are.
    """

    model_id: str
    run_id: str | None
    created: int
    artifact_uri: str = ""

    @classmethod
    def parse(cls, model: Mapping[str, Any]) -> Self:
        """From the member `model` of GET logged-models/{model_id}."""
        info = model["info"]
        return cls(
            model_id=str(info["model_id"]),
            run_id=info.get("source_run_id") or None,
            created=int(info.get("creation_timestamp_ms", 0)),
            artifact_uri=str(info.get("artifact_uri", "")),
        )


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version of a registered model.

    run_id, logged_model: what it was made from, if any. source: MLflow's URI of its files.
    created: milliseconds since 1970-01-01 UTC; unlike name and number, no later version gets it.
    """

    name: str
    version: str
    run_id: str | None
    created: int = 0
    logged_model: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    @classmethod
    def parse(cls, version: Mapping[str, Any]) -> Self:
        """From the member `model_version` of GET model-versions/get."""
        return cls(
            name=str(version["name"]),
            version=str(version["version"]),
            run_id=version.get("run_id") or None,
            created=int(version.get("creation_timestamp", 0)),
            logged_model=version.get("model_id") or _logged_model(version.get("source") or ""),
            source=version.get("source") or "",
            tags={str(tag["key"]): str(tag.get("value", "")) for tag in version.get("tags", [])},
        )


def _logged_model(source: str) -> str | None:
    """The logged model of a version's source; MLflow's SQL store does not keep it otherwise."""
    found = _LOGGED_MODEL_SOURCE.fullmatch(source)
    return None if found is None else found[1]
