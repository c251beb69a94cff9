"""Validating the arguments of a registration before anything is sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Iterable, Mapping, Sequence

from hokusai.errors import InputError
from hokusai.json_encoding import to_json_data
from hokusai.metrics import metrics_in_metadata, validate_metrics
from hokusai.verify.model_files import ModelFile, path_problem

Contribution = Mapping[str, Any]
# Files that a registration lists, and bytes of their paths: they fit into a request together with
# everything else.
MAX_LISTED = 3000
MAX_LISTED_BYTES = 512 * 1024
_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{40}")


@dataclass(frozen=True)
class LogArguments:
    """How a model in memory is logged to MLflow; None leaves the choice to `log_model`.

    Attributes:
        flavor: The name of MLflow's module for the model.
        input_example: A few rows of input, from which MLflow infers the signature.
        signature: MLflow's signature of the model.
        options: Further arguments of the flavour's `log_model`.
    """

    flavor: str | None
    input_example: Any
    signature: Any
    options: Mapping[str, Any] | None


@dataclass(frozen=True)
class ModelSource:
    """Where the model to register is: in memory, at a URI in MLflow, or in a run.

    Attributes:
        model: The model in memory.
        model_uri: MLflow's URI of the model.
        run_id: The run that logged the model.
        artifact_path: The path of the model in the run.
        log_arguments: How the model in memory is logged.
    """

    model: Any
    model_uri: str | None
    run_id: str | None
    artifact_path: str | None
    log_arguments: LogArguments

    def validate(self) -> None:
        """Check that the source is named once, and that the other arguments go with it.

        Raises:
            InputError: It is named several times or not at all, or it is in MLflow and arguments
                for logging were passed.
        """
        sources = (self.model, self.model_uri, self.run_id)
        if sum(source is not None for source in sources) != 1:
            raise InputError("Pass exactly one of the model itself, model_uri and run_id.")
        if self.model is None and any(
            value is not None for value in vars(self.log_arguments).values()
        ):
            raise InputError(
                "flavor, input_example, signature and log_options apply when the SDK logs the "
                "model; this model is in MLflow already."
            )


def file_list(files: Iterable[ModelFile] | None) -> list[dict[str, Any]] | None:
    """Return a model's files as a registration lists them.

    None where there are none, or more, or other names, than a registration may have: then the
    gateway lists them itself.
    """
    listed = sorted(files or ())
    if not 0 < len(listed) <= MAX_LISTED or any(path_problem(file.path) for file in listed):
        return None
    if sum(len(file.path.encode()) for file in listed) > MAX_LISTED_BYTES:
        return None
    return [file._asdict() for file in listed]


def metric_fields(
    metadata: Mapping[str, Any] | None,
    metrics: Mapping[str, Any] | None,
    primary_metric: str | None,
    higher_is_better: Mapping[str, bool] | None,
) -> dict[str, Any]:
    """Return the members of a registration that describe the model's metrics.

    Raises:
        InputError: A value cannot be sent as JSON; MetricError if it is a metric.
    """
    if metadata is not None:
        # Raises MetricError, whose message names the metric, which to_json_data's does not.
        metrics_in_metadata(metadata)
    return {
        "metadata": to_json_data(metadata, "metadata"),
        "metrics": None if metrics is None else validate_metrics(metrics, "given"),
        "primary_metric": primary_metric,
        "higher_is_better": to_json_data(higher_is_better, "higher_is_better"),
    }


def contribution_list(
    data_contribution: Contribution | Sequence[Contribution] | None,
) -> list[Contribution]:
    """Return the contributions as a list, which may be empty.

    Raises:
        InputError: The argument is neither a mapping nor a list of mappings.
    """
    if data_contribution is None:
        return []
    if isinstance(data_contribution, Mapping):
        return [data_contribution]
    items = list(data_contribution)
    if not all(isinstance(item, Mapping) for item in items):
        raise InputError("data_contribution must be a mapping, or a list of mappings.")
    return items


def validate_address(address: object) -> None:
    """Check the form of an Ethereum address, so that no model is uploaded for an invalid one.

    The gateway checks the EIP-55 checksum. None is accepted.

    Raises:
        InputError: This is not a valid address.
    """
    if address is None:
        return
    if not isinstance(address, str) or _ADDRESS.fullmatch(address) is None:
        hint = " It looks shortened: write the whole address." if "..." in str(address) else ""
        raise InputError(
            f"{address!r} is not a valid Ethereum address, which is 0x and 40 hexadecimal digits."
            + hint
        )


def validate_contributors(
    data_contribution: Contribution | Sequence[Contribution] | None,
    contributor_address: str | None = None,
) -> None:
    """Check the form of every contributor's address, before anything is sent.

    Raises:
        InputError: One of them is not a valid address, or `data_contribution` is neither a mapping
            nor a list of mappings.
    """
    validate_address(contributor_address)
    for contribution in contribution_list(data_contribution):
        validate_address(contribution.get("contributor"))
