"""`hokusai models`: what is registered, and what came of what."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Mapping

import click

from hokusai.cli.options import connect, json_option, url_option
from hokusai.cli.output import (
    cell,
    format_metrics,
    make_console,
    write_json,
    write_record,
    write_table,
)

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree


@click.group()
def models() -> None:
    """Find registered models."""


@models.command("list")
@url_option
@json_option
@click.option("--kind", type=click.Choice(["baseline", "improved", "tokenized"]))
@click.option("--type", help="What the model is for.")
@click.option("--tenant")
@click.option("--contributor", metavar="ADDRESS")
@click.option("--token", help="A token id, in any casing.")
@click.option("--name", help="Of the registered model in MLflow.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="At most so many.",
)
def list_models(url: str | None, as_json: bool, limit: int, **filters: Any) -> None:
    """Registered models, newest first."""
    found = connect(url).models(**filters, limit=min(limit, 100))
    shown = list(itertools.islice(found, limit))
    if as_json:
        write_json({"models": [dict(model) for model in shown]})
        return
    if not shown:
        click.echo("No model.", err=True)
        return
    write_table(
        ["MODEL", "KIND", "MLFLOW", "TYPE", "TENANT", "METRICS"],
        (
            [
                model["model_id"],
                model["kind"],
                f"{model['mlflow_name']}/{model['mlflow_version']}",
                model["model_type"],
                model["tenant"],
                format_metrics(model["metrics"]),
            ]
            for model in shown
        ),
    )


@models.command()
@click.argument("model_id")
@url_option
@json_option
def show(model_id: str, url: str | None, as_json: bool) -> None:
    """One model."""
    found = connect(url).model(model_id)
    write_json(dict(found)) if as_json else show_model(found)


def show_model(model: Mapping[str, Any]) -> None:
    """A model, for people."""
    write_record(
        {
            "model": model["model_id"],
            "kind": model["kind"],
            "mlflow": f"{model['mlflow_name']}/{model['mlflow_version']}",
            "type": model["model_type"],
            "tenant": model["tenant"],
            "run": model["run_id"],
            "metrics": format_metrics(model["metrics"]),
            "baseline": model["baseline_model_id"],
            "delta": _deltas(model["delta"]),
            "contributors": [_share(share) for share in model["contributors"]],
            "token": model["token_id"],
            "private": "yes" if model["private"] else None,
            "attestations": model["attestations"],
            "created": model["created_at"],
        }
    )


@models.command()
@click.argument("model_id")
@url_option
@json_option
def lineage(model_id: str, url: str | None, as_json: bool) -> None:
    """The tree from the first baseline on: what improved on what, and whose data did it."""
    found = connect(url).lineage(model_id)
    if as_json:
        write_json(dict(found))
        return
    from rich.tree import Tree

    # Each comes after its baseline, so that the branch is there already.
    branches: dict[str, Tree] = {}
    for node in found["nodes"]:
        asked_for = node["model"]["model_id"] == model_id
        label = _label(node, "<-- this one" if asked_for else "")
        parent = branches.get(node["baseline_model_id"] or "")
        made = Tree(label) if parent is None else parent.add(label)
        branches[node["model"]["model_id"]] = made
    if found["root"] in branches:
        make_console().print(branches[found["root"]])
    if not found["complete"]:
        click.echo("There are more models than are shown here.", err=True)


def _label(node: Mapping[str, Any], mark: str) -> Text:
    model = node["model"]
    parts = [
        f"{model['model_id']}  {model['kind']}  {model['mlflow_name']}/{model['mlflow_version']}",
        _deltas(node["delta"]) or format_metrics(model["metrics"]),
        "by " + ", ".join(_share(share) for share in node["contributors"])
        if node["contributors"]
        else "",
        f"{len(node['attestations'])} attested" if node["attestations"] else "",
        mark,
    ]
    return cell("  ".join(part for part in parts if part))


def _deltas(delta: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {each['baseline']:g} -> {each['improved']:g} ({each['delta']:+g})"
        for name, each in delta.items()
    )


def _share(share: Mapping[str, Any]) -> str:
    return f"{share['address']} ({share['weight_bps'] / 100:g} %)"
