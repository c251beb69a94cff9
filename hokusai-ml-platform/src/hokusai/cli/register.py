"""`hokusai register`: register a model that is in MLflow, or in a local directory."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Callable, Sequence, TypeVar

import click

from hokusai.cli.models import write_model
from hokusai.cli.options import (
    JSONObject,
    KeyValue,
    connect,
    contribution_options,
    data_contribution_of,
    idempotency_key_option,
    json_option,
    metric_option,
    metrics_from_pairs,
    primary_metric_option,
    url_option,
)
from hokusai.cli.output import write_json
from hokusai.errors import HokusaiError, NotFoundError

if TYPE_CHECKING:
    from hokusai.api import GatewayAPI

# The id of no run: MLflow's ids are random.
_NO_RUN = "0" * 32
Command = TypeVar("Command", bound=Callable[..., Any])


@click.group()
def register() -> None:
    """Register a model as a baseline, as an improvement, or behind a token.

    The model is in MLflow (--run or --model-uri), or in a local directory that MLflow's save_model
    wrote (--model), which is uploaded first.
    """


def _model_options(command: Command) -> Command:
    """Add the options of all three commands; `_register` receives their values."""
    for option in (
        json_option,
        url_option,
        idempotency_key_option,
        click.option(
            "--metadata",
            type=JSONObject(),
            metavar="JSON",
            help="Any JSON object to store with the model, or @FILE.",
        ),
        primary_metric_option,
        metric_option(
            "--metric", "metrics", "A metric of the model; by default the run's are used."
        ),
        click.option(
            "--experiment", metavar="NAME", help="The MLflow experiment for the upload of --model."
        ),
        click.option(
            "--model",
            "directory",
            type=click.Path(exists=True, file_okay=False),
            help="A local directory that MLflow's save_model wrote.",
        ),
        click.option(
            "--share-files",
            is_flag=True,
            help="Every tenant that may read the model may download its files.",
        ),
        click.option("--model-uri", metavar="URI", help="MLflow's URI: runs:/... or models:/..."),
        click.option(
            "--path",
            "artifact_path",
            metavar="PATH",
            help="The model's path in the run; by default model.",
        ),
        click.option("--run", "run_id", metavar="ID", help="The MLflow run that has the model."),
    ):
        command = option(command)
    return command


@register.command()
@click.option(
    "--type", "model_type", required=True, help="What the model is for, such as classification."
)
@click.option("--name", help="The name of the registered model in MLflow.")
@click.option("--private", is_flag=True, help="Only your own tenant sees it and builds on it.")
@_model_options
def baseline(model_type: str, name: str | None, private: bool, **options: Any) -> None:
    """Register a model that others can improve on."""
    body = {"model_type": model_type, "name": name, "private": private or None}
    _register("baseline", body, **options)


@register.command()
@click.option(
    "--baseline",
    "baseline_model_id",
    required=True,
    metavar="MODEL",
    help="The id of the registered model that it improves on.",
)
@click.option("--type", "model_type", help="What the model is for; by default as the baseline.")
@click.option("--name", help="The name of the registered model in MLflow.")
@contribution_options
@_model_options
def improved(
    baseline_model_id: str,
    model_type: str | None,
    name: str | None,
    contributor: str | None,
    contributions: Sequence[dict[str, Any]],
    samples: int | None,
    data_hash: str | None,
    data: str | None,
    **options: Any,
) -> None:
    """Register a model that improves on a registered one with contributed data."""
    if contributor is None and not contributions:
        raise click.UsageError("Pass whose data it was, with --contributor or --contribution.")
    body = {
        "baseline_model_id": baseline_model_id,
        "model_type": model_type,
        "name": name,
        "contributor_address": contributor,
        "data_contribution": data_contribution_of(
            contributions, contributor, samples, data_hash, data
        ),
    }
    _register("improved", body, **options)


@register.command()
@click.option("--model-name", required=True, help="The name of the registered model in MLflow.")
@click.option("--token", "token_id", required=True, help="The token's id.")
@click.option("--metric-name", required=True, help="The metric that the model is measured by.")
@click.option(
    "--baseline-value", type=float, required=True, help="The value of that metric to be exceeded."
)
@click.option("--type", "model_type", help="What the model is for.")
@click.option(
    "--tag",
    "tags",
    type=KeyValue(number=False),
    multiple=True,
    metavar="NAME=TEXT",
    help="A tag for the version in MLflow. Repeatable.",
)
@_model_options
def tokenized(
    model_name: str,
    token_id: str,
    metric_name: str,
    baseline_value: float,
    model_type: str | None,
    tags: Sequence[tuple[str, str]],
    **options: Any,
) -> None:
    """Register a version of the model behind a Hokusai token."""
    body = {
        "model_name": model_name,
        "token_id": token_id,
        "metric_name": metric_name,
        "baseline_value": baseline_value,
        "model_type": model_type,
        "additional_tags": dict(tags) or None,
    }
    _register("tokenized", body, **options)


def _register(
    kind: str,
    body: dict[str, Any],
    *,
    url: str | None,
    as_json: bool,
    run_id: str | None,
    artifact_path: str | None,
    model_uri: str | None,
    directory: str | None,
    experiment: str | None,
    share_files: bool,
    metrics: Sequence[tuple[str, float]],
    primary_metric: str | None,
    metadata: dict[str, Any] | None,
    idempotency_key: str | None,
) -> None:
    """Upload the model if it is in a directory, register it, and write the response."""
    if sum(source is not None for source in (run_id, model_uri, directory)) != 1:
        raise click.UsageError("Pass exactly one of --run, --model-uri and --model.")
    if artifact_path is not None and run_id is None:
        raise click.UsageError("--path requires --run.")
    if experiment is not None and directory is None:
        raise click.UsageError("--experiment requires --model.")
    metrics_by_name = metrics_from_pairs(metrics)
    api = connect(url)
    body = {
        **body,
        "metrics": metrics_by_name,
        "primary_metric": primary_metric,
        "metadata": metadata,
        "share_files": share_files or None,
    }
    if directory is not None:
        from hokusai.cli.upload import require_saved_model, upload
        from hokusai.core.inputs import file_list

        require_saved_model(directory)
        _check_before_upload(api, kind, body)
        run_id, files = upload(url, directory, experiment, metrics_by_name or {})
        artifact_path, body["files"] = "model", file_list(files)
    location = {"run_id": run_id, "artifact_path": artifact_path, "model_uri": model_uri}
    try:
        model = api.register(kind, {**body, **location}, idempotency_key)
    except HokusaiError:
        if directory is not None:
            click.echo(
                f"hokusai: The model is uploaded, as runs:/{run_id}/model. To register it without "
                f"another upload, pass --run {run_id} in place of --model.",
                err=True,
            )
        raise
    write_json(dict(model)) if as_json else write_model(model)


def _check_before_upload(api: GatewayAPI, kind: str, body: dict[str, Any]) -> None:
    """Raise what the gateway would refuse after the upload, so that nothing is uploaded for it.

    The gateway checks a request before it looks for the run. So the same request with a run that
    does not exist shows whether the rest of it is right.
    """
    if body.get("baseline_model_id"):
        api.model(body["baseline_model_id"])
    with contextlib.suppress(NotFoundError):
        api.register(kind, {**body, "run_id": _NO_RUN})
