"""`hokusai models`: registered models, and which of them improves on which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping

import click

from hokusai.cli.options import connect, json_option, limit_option, url_option
from hokusai.cli.output import (
    cell,
    format_metrics,
    make_console,
    sanitize,
    write_json,
    write_record,
    write_table,
)

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree


@click.group()
def models() -> None:
    """Show, download and withdraw registered models."""


@models.command("list")
@url_option
@json_option
@click.option(
    "--kind",
    type=click.Choice(["baseline", "improved", "tokenized"]),
    help="Only models of this kind.",
)
@click.option("--type", help="Only models of this type, such as classification.")
@click.option("--tenant", help="Only models of this tenant.")
@click.option("--contributor", metavar="ADDRESS", help="Only models with data of this contributor.")
@click.option("--token", help="Only models of this token id, in any casing.")
@click.option("--name", help="Only versions of this registered model in MLflow.")
@click.option("--run", "run_id", metavar="RUN_ID", help="Only the models that this run made.")
@limit_option("models")
def list_models(url: str | None, as_json: bool, limit: int, **filters: Any) -> None:
    """List registered models, newest first."""
    shown = list(connect(url).models(**filters, limit=limit))
    if as_json:
        write_json({"models": [dict(model) for model in shown]})
        return
    if not shown:
        click.echo("No models were found.", err=True)
        return
    write_table(
        ["MODEL", "KIND", "MLFLOW", "TYPE", "TENANT", "METRICS"],
        (
            [
                model["model_id"],
                _kind(model),
                _mlflow_version(model),
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
    """Show one model."""
    model = connect(url).model(model_id)
    write_json(dict(model)) if as_json else write_model(model)


def write_model(model: Mapping[str, Any]) -> None:
    """Write a model for people: one line for each member that has a value."""
    write_record(
        {
            "model": model["model_id"],
            "kind": model["kind"],
            "withdrawn": _withdrawal(model),
            "mlflow": _mlflow_version(model),
            "type": model["model_type"],
            "tenant": model["tenant"],
            "run": model["run_id"],
            "metrics": format_metrics(model["metrics"]),
            "baseline": model["baseline_model_id"],
            "delta": _format_delta(model["delta"]),
            "contributors": [_format_share(share) for share in model["contributors"]],
            "token": model["token_id"],
            "private": "yes" if model["private"] else None,
            "files": _format_files(model),
            "attestations": model["attestations"],
            "created": model["created_at"],
        }
    )


@models.command()
@click.argument("model_id")
@click.option(
    "--reason", required=True, help="Why; everyone who can see the model can see the reason."
)
@url_option
@json_option
def withdraw(model_id: str, reason: str, url: str | None, as_json: bool) -> None:
    """Withdraw a registration of your tenant: the record stays, and nothing builds on it any more.

    The same run or version can be registered anew. Withdrawing it again changes nothing.
    """
    model = connect(url).withdraw(model_id, reason)
    write_json(dict(model)) if as_json else write_model(model)


@models.command()
@click.argument("model_id")
@click.argument("directory", required=False)
@url_option
@json_option
def download(model_id: str, directory: str | None, url: str | None, as_json: bool) -> None:
    """Download the files of a model into DIRECTORY, and compare each with the gateway's list.

    DIRECTORY is by default named as the model, and must not exist yet or be empty. An interrupted
    download goes on where it ended. The list of the files is stored beside it, as
    DIRECTORY.files.json, for `hokusai verify --model DIRECTORY`.

    Files of another tenant's model can be downloaded where it was registered with --share-files.
    """
    from hokusai.core.download import download_model

    target = directory or model_id
    found = download_model(
        connect(url),
        model_id,
        target,
        lambda file: click.echo(f"{sanitize(file.path)}  {file.size:,} bytes", err=True),
    )
    if as_json:
        write_json({"directory": target, **{k: v for k, v in found.items() if k != "next"}})
    else:
        click.echo(
            sanitize(
                f"{target} has the {found.count} files of {model_id}, {found['bytes']:,} bytes "
                f"({found.state}). Digest: {found.sha256}"
            )
        )


@models.command("read-files")
@click.argument("model_id")
@url_option
@json_option
def read_files(model_id: str, url: str | None, as_json: bool) -> None:
    """Have the gateway read the files of a model of your tenant that could not be read.

    `hokusai models show` has the state, and the page of the model the reason. What a gateway has
    read stays.
    """
    state = connect(url).read_files(model_id)
    if as_json:
        write_json({"model_id": model_id, "state": state})
    else:
        click.echo(sanitize(f"The gateway reads the files of {model_id} (now: {state})."))


@models.command()
@click.argument("model_id")
@url_option
@json_option
def lineage(model_id: str, url: str | None, as_json: bool) -> None:
    """Show the tree from the first baseline: each improvement, and whose data is in it."""
    tree = connect(url).lineage(model_id)
    if as_json:
        write_json(dict(tree))
        return
    from rich.tree import Tree

    branches: dict[str, Tree] = {}
    # The gateway lists each model after its baseline, so the parent's branch exists already.
    for node in tree["nodes"]:
        label = _node_label(node, is_requested=node["model"]["model_id"] == model_id)
        parent = branches.get(node["baseline_model_id"] or "")
        branch = Tree(label) if parent is None else parent.add(label)
        branches[node["model"]["model_id"]] = branch
    if tree["root"] in branches:
        make_console().print(branches[tree["root"]])
    if not tree["complete"]:
        click.echo("The tree has more models than are shown here.", err=True)


def _node_label(node: Mapping[str, Any], is_requested: bool) -> Text:
    model = node["model"]
    shares = ", ".join(_format_share(share) for share in node["contributors"])
    parts = [
        f"{model['model_id']}  {_kind(model)}  {_mlflow_version(model)}",
        _format_delta(node["delta"]) or format_metrics(model["metrics"]),
        f"by {shares}" if shares else "",
        f"{len(node['attestations'])} attested" if node["attestations"] else "",
        "<-- this one" if is_requested else "",
    ]
    return cell("  ".join(part for part in parts if part))


def _kind(model: Mapping[str, Any]) -> str:
    return f"{model['kind']} (withdrawn)" if model.get("withdrawn") else str(model["kind"])


def _withdrawal(model: Mapping[str, Any]) -> str | None:
    withdrawn = model.get("withdrawn")
    return f"{withdrawn['at']}: {withdrawn['reason']}" if withdrawn else None


def _format_files(model: Mapping[str, Any]) -> str | None:
    state = model.get("files")
    return f"{state}, shared" if state and model.get("share_files") else state


def _mlflow_version(model: Mapping[str, Any]) -> str:
    return f"{model['mlflow_name']}/{model['mlflow_version']}"


def _format_delta(delta: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {values['baseline']:g} -> {values['improved']:g} ({values['delta']:+g})"
        for name, values in delta.items()
    )


def _format_share(share: Mapping[str, Any]) -> str:
    # A basis point is a hundredth of a percent.
    return f"{share['address']} ({share['weight_bps'] / 100:g} %)"
