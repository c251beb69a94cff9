"""`hokusai register`: a model that is in MLflow, or in a directory here, becomes Hokusai's."""

from __future__ import annotations

from typing import Any, Callable, Sequence, TypeVar

import click

from hokusai.cli.models import show_model
from hokusai.cli.options import (
    JSONObject,
    KeyValue,
    connect,
    contribution_options,
    data_contribution_of,
    json_option,
    metrics_from_pairs,
    url_option,
)
from hokusai.cli.output import write_json

Command = TypeVar("Command", bound=Callable[..., Any])


@click.group()
def register() -> None:
    """Register a model: as a baseline, an improvement, or behind a token.

    The model is one that is in MLflow (--run or --model-uri), or one that MLflow's save_model wrote
    to a directory here (--model), which is uploaded first.
    """


def _model_options(command: Command) -> Command:
    for option in (
        json_option,
        url_option,
        click.option("--idempotency-key", metavar="KEY", help="Names this registration."),
        click.option("--metadata", type=JSONObject(), metavar="JSON", help="Any object, or @FILE."),
        click.option("--primary-metric", metavar="NAME", help="The one that counts."),
        click.option(
            "--metric",
            "metrics",
            type=KeyValue(number=True),
            multiple=True,
            metavar="NAME=NUMBER",
            help="By default those of the run.",
        ),
        click.option("--experiment", metavar="NAME", help="Where --model is logged to."),
        click.option(
            "--model",
            "directory",
            type=click.Path(exists=True, file_okay=False),
            help="A directory that MLflow's save_model wrote.",
        ),
        click.option("--model-uri", metavar="URI", help="runs:/..., models:/..."),
        click.option("--path", "artifact_path", metavar="PATH", help="In the run: model."),
        click.option("--run", "run_id", metavar="ID", help="The run that has the model."),
    ):
        command = option(command)
    return command


@register.command()
@click.option("--type", "model_type", required=True, help="What it is for: classification.")
@click.option("--name", help="Of the registered model in MLflow.")
@click.option("--private", is_flag=True, help="Only your own tenant sees it and builds on it.")
@_model_options
def baseline(model_type: str, name: str | None, private: bool, **given: Any) -> None:
    """A model that others can improve on."""
    _register(
        "baseline", {"model_type": model_type, "name": name, "private": private or None}, **given
    )


@register.command()
@click.option("--baseline", "baseline_model_id", required=True, metavar="MODEL")
@click.option("--type", "model_type", help="By default that of the baseline.")
@click.option("--name", help="Of the registered model in MLflow.")
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
    **given: Any,
) -> None:
    """A model that improves on a registered one with contributed data."""
    if contributor is None and not contributions:
        raise click.UsageError("Whose data it was is missing: --contributor or --contribution.")
    body = {
        "baseline_model_id": baseline_model_id,
        "model_type": model_type,
        "name": name,
        "contributor_address": contributor,
        "data_contribution": data_contribution_of(
            contributions, contributor, samples, data_hash, data
        ),
    }
    _register("improved", body, **given)


@register.command()
@click.option("--model-name", required=True, help="Of the registered model in MLflow.")
@click.option("--token", "token_id", required=True, help="The token's id.")
@click.option("--metric-name", required=True, help="What the model is measured by.")
@click.option("--baseline-value", type=float, required=True, help="What it has to beat.")
@click.option("--type", "model_type", help="What it is for.")
@click.option("--tag", "tags", type=KeyValue(number=False), multiple=True, metavar="NAME=TEXT")
@_model_options
def tokenized(
    model_name: str,
    token_id: str,
    metric_name: str,
    baseline_value: float,
    model_type: str | None,
    tags: Sequence[tuple[str, str]],
    **given: Any,
) -> None:
    """A version of the model behind a Hokusai token."""
    body = {
        "model_name": model_name,
        "token_id": token_id,
        "metric_name": metric_name,
        "baseline_value": baseline_value,
        "model_type": model_type,
        "additional_tags": dict(tags) or None,
    }
    _register("tokenized", body, **given)


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
    metrics: Sequence[tuple[str, float]],
    primary_metric: str | None,
    metadata: dict[str, Any] | None,
    idempotency_key: str | None,
) -> None:
    if sum(each is not None for each in (run_id, model_uri, directory)) != 1:
        raise click.UsageError("Say which model: one of --run, --model-uri and --model.")
    if artifact_path is not None and run_id is None:
        raise click.UsageError("--path goes with --run.")
    if experiment is not None and directory is None:
        raise click.UsageError("--experiment goes with --model.")
    metrics_by_name = metrics_from_pairs(metrics)
    api = connect(url)
    if directory is not None:
        from hokusai.cli.upload import upload

        if body.get("baseline_model_id"):
            # A baseline that is not there should be found out before a model is uploaded.
            api.model(body["baseline_model_id"])
        run_id, artifact_path = upload(url, directory, experiment, metrics_by_name or {}), "model"
    found = api.register(
        kind,
        {
            **body,
            "run_id": run_id,
            "artifact_path": artifact_path,
            "model_uri": model_uri,
            "metrics": metrics_by_name,
            "primary_metric": primary_metric,
            "metadata": metadata,
        },
        idempotency_key,
    )
    write_json(dict(found)) if as_json else show_model(found)
