"""What a registration is given: the model or where it is, and what is said of it."""

from __future__ import annotations

import re
from typing import Any, Mapping, Sequence

from hokusai.errors import InputError
from hokusai.json_encoding import to_json_data
from hokusai.metrics import metrics_in_metadata, validate_metrics

Contribution = Mapping[str, Any]
_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{40}")


class ModelSource:
    """Where a model is: in memory, or in MLflow."""

    def __init__(
        self,
        model: Any,
        model_uri: str | None,
        run_id: str | None,
        artifact_path: str | None,
        flavor: str | None,
        details: Mapping[str, Any],
    ) -> None:
        self.model = model
        self.model_uri = model_uri
        self.run_id = run_id
        self.artifact_path = artifact_path
        self.flavor = flavor
        self.details = details

    def validate(self) -> None:
        given = [self.model is not None, self.model_uri is not None, self.run_id is not None]
        if sum(given) != 1:
            raise InputError("Give one of the model itself, model_uri= and run_id=.")
        if self.model is None and (
            self.flavor or any(v is not None for v in self.details.values())
        ):
            raise InputError(
                "flavor, input_example, signature and log_options are for a model that is logged "
                "here; this one is in MLflow already."
            )


def metric_fields(
    metadata: Mapping[str, Any] | None,
    metrics: Mapping[str, Any] | None,
    primary_metric: str | None,
    higher_is_better: Mapping[str, bool] | None,
) -> dict[str, Any]:
    if metadata is not None:
        metrics_in_metadata(metadata)  # which names a metric that is not finite
    return {
        "metadata": to_json_data(metadata, "metadata"),
        "metrics": None if metrics is None else validate_metrics(metrics, "given"),
        "primary_metric": primary_metric,
        "higher_is_better": to_json_data(higher_is_better, "higher_is_better"),
    }


def contribution_list(
    given: Contribution | Sequence[Contribution] | None,
) -> list[Contribution]:
    if given is None:
        return []
    items = [given] if isinstance(given, Mapping) else list(given)
    if not all(isinstance(item, Mapping) for item in items):
        raise InputError("data_contribution has to be a mapping, or a list of them.")
    return items


def validate_address(address: object) -> None:
    """Before a model is uploaded. The gateway looks at the checksum."""
    if address is None:
        return
    if not isinstance(address, str) or _ADDRESS.fullmatch(address) is None:
        raise InputError(f"{address!r} is not an Ethereum address: 0x and 40 hexadecimal digits.")
