"""`hokusai benchmark create`, `list` and `show`: the records of benchmarks."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

import click

from hokusai.cli.options import (
    KeyValue,
    WholeNumber,
    connect,
    hash_of_file,
    idempotency_key_option,
    json_option,
    limit_option,
    url_option,
)
from hokusai.cli.output import write_json, write_record, write_table


@click.command()
@click.argument("name")
@click.option("--data", metavar="FILE", help="The data set; only its SHA-256 is sent.")
@click.option("--data-hash", metavar="HASH", help="Its SHA-256, if computed.")
@click.option("--data-version", required=True, metavar="TEXT", help="Its version.")
@click.option("--split", help="Which part of it; by default test.")
@click.option("--rows", type=WholeNumber(min=1), required=True, help="How many rows it has.")
@click.option("--metric", required=True, help="The metric that counts, such as accuracy.")
@click.option(
    "--family",
    "metric_family",
    type=click.Choice(["proportion", "continuous", "zero_inflated_continuous", "rank_or_ordinal"]),
    help="How improvements are judged; by default proportion, a share of rows.",
)
@click.option(
    "--higher-is-better/--lower-is-better",
    default=None,
    help="The metric's direction, if its name does not show it.",
)
@click.option(
    "--guardrail",
    "guardrails",
    type=KeyValue(number=True),
    multiple=True,
    metavar="NAME=NUMBER",
    help="A metric, and by how much an improvement may make it worse. Repeatable.",
)
@click.option(
    "--min-examples",
    type=WholeNumber(min=1),
    help="How many rows have to be evaluated; by default all.",
)
@click.option(
    "--label-commitment",
    required=True,
    metavar="HEX",
    help="The commitment to the labels, 64 hexadecimal digits.",
)
@click.option("--label-holder", metavar="TEXT", help="Who holds them; by default your tenant.")
@click.option("--private", is_flag=True, default=None, help="Only your tenant may see it.")
@idempotency_key_option
@url_option
@json_option
def create(
    name: str,
    data: str | None,
    data_hash: str | None,
    data_version: str,
    guardrails: Sequence[tuple[str, float]],
    idempotency_key: str | None,
    url: str | None,
    as_json: bool,
    **members: Any,
) -> None:
    """Register a benchmark with a commitment to its labels that was made elsewhere.

    It never changes, and the log says since when it stands.
    """
    if (data is None) == (data_hash is None):
        raise click.UsageError("Pass either --data or --data-hash.")
    body = {
        "name": name,
        "dataset_hash": data_hash if data is None else hash_of_file(data),
        "dataset_version": data_version,
        "guardrails": [{"metric": metric, "max_worsening": most} for metric, most in guardrails],
        **members,
    }
    _show(connect(url).register_benchmark(body, idempotency_key), as_json)


@click.command("list")
@click.option("--name", help="Only benchmarks of this name.")
@click.option("--dataset-hash", metavar="HASH", help="Only benchmarks of this data set.")
@click.option("--metric", help="Only benchmarks of this metric.")
@click.option("--tenant", help="Only benchmarks of this tenant.")
@limit_option("benchmarks")
@url_option
@json_option
def list_benchmarks(url: str | None, as_json: bool, limit: int, **filters: Any) -> None:
    """List benchmarks, newest first."""
    shown = list(connect(url).benchmarks(**filters, limit=limit))
    if as_json:
        write_json({"benchmarks": [dict(one) for one in shown]})
        return
    if not shown:
        click.echo("No benchmarks were found.", err=True)
        return
    write_table(
        ["BENCHMARK", "NAME", "METRIC", "ROWS", "VERSION", "SPLIT", "TENANT"],
        (
            [
                one["benchmark_id"],
                one["name"],
                one["metric"],
                one["rows"],
                one["dataset_version"],
                one["split"],
                one["tenant"],
            ]
            for one in shown
        ),
    )


@click.command()
@click.argument("benchmark_id", metavar="BENCHMARK")
@click.option("--predictions", is_flag=True, help="List the committed predictions instead.")
@url_option
@json_option
def show(benchmark_id: str, predictions: bool, url: str | None, as_json: bool) -> None:
    """Show one benchmark, or the predictions that are committed on it.

    The benchmark is compared with its record, and the record's hash with the entry in the log.
    """
    gateway = connect(url)
    if not predictions:
        from hokusai.benchmark_record import check_record

        found = gateway.benchmark(benchmark_id)
        check_record(found, gateway.log_entry(found["log_index"]))
        _show(found, as_json, checked="the record has this hash, and the entry of the log as well")
        return
    shown = list(gateway.predictions(benchmark_id))
    if as_json:
        write_json({"predictions": [dict(one) for one in shown]})
        return
    if not shown:
        click.echo("No predictions were found.", err=True)
        return
    write_table(
        ["MODEL", "COMMITMENT", "LOG ENTRY", "TENANT", "CREATED"],
        (
            [
                one["model_id"],
                one["commitment"],
                one["log_index"],
                one["tenant"],
                one["created_at"],
            ]
            for one in shown
        ),
    )


def _show(found: Mapping[str, Any], as_json: bool, checked: str | None = None) -> None:
    if as_json:
        write_json(dict(found))
        return
    released = found["labels_released"]
    write_record(
        {
            "benchmark": found["benchmark_id"],
            "name": found["name"],
            "data set": found["dataset_hash"],
            "version": found["dataset_version"],
            "split": found["split"],
            "rows": found["rows"],
            "to evaluate": found["min_examples"],
            "metric": found["metric"],
            "family": found["metric_family"],
            "better": "higher" if found["higher_is_better"] else "lower",
            "guardrails": [
                f"{one['metric']} at most {one['max_worsening']:g} worse"
                for one in found["guardrails"]
            ],
            "labels": found["label_commitment"],
            "held by": found["label_holder"],
            "released": released and released["at"],
            "tenant": found["tenant"],
            "record": found["record_sha256"],
            "log entry": str(found["log_index"]),
            "checked": checked,
        }
    )
