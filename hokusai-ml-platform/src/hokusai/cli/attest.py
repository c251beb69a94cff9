"""`hokusai attest`: the gateway's word for an improvement, as a file."""

from __future__ import annotations

import json
from typing import Any, Sequence

import click

from hokusai.cli.options import (
    KeyValue,
    connect,
    contribution_options,
    data_contribution_of,
    json_option,
    metrics_from_pairs,
    url_option,
)
from hokusai.cli.output import format_metrics, write_json, write_record
from hokusai.errors import ConfigurationError


@click.command()
@click.argument("model_id", required=False)
@click.option("--baseline-run", "baseline_run_id", metavar="ID")
@click.option("--improved-run", "improved_run_id", metavar="ID")
@click.option("--baseline-model", "baseline_model_id", metavar="MODEL")
@click.option("--improved-model", "improved_model_id", metavar="MODEL")
@click.option("--model-name", help="Of a registered model in MLflow, with --model-version.")
@click.option("--model-version")
@click.option("--fetch", metavar="HASH", help="No new one: the one that has this hash.")
@click.option("--claimed", is_flag=True, help="Nobody looks; it is your word, and says so.")
@click.option(
    "--metric",
    "metrics",
    type=KeyValue(number=True),
    multiple=True,
    metavar="NAME=NUMBER",
    help="Your number of the improved model, which MLflow's is compared with.",
)
@click.option(
    "--baseline-metric",
    "baseline_metrics",
    type=KeyValue(number=True),
    multiple=True,
    metavar="NAME=NUMBER",
    help="Your number of the baseline.",
)
@click.option("--primary-metric", metavar="NAME", help="The one that counts.")
@contribution_options
@click.option("--idempotency-key", metavar="KEY", help="Names this attestation.")
@click.option("-o", "--output", metavar="FILE", help="Where to write it, for `hokusai verify`.")
@url_option
@json_option
def attest(
    model_id: str | None,
    fetch: str | None,
    claimed: bool,
    metrics: Sequence[tuple[str, float]],
    baseline_metrics: Sequence[tuple[str, float]],
    contributor: str | None,
    contributions: Sequence[dict[str, Any]],
    samples: int | None,
    data_hash: str | None,
    data: str | None,
    idempotency_key: str | None,
    output: str | None,
    url: str | None,
    as_json: bool,
    **named: Any,
) -> None:
    """Have a model attested, or that it improves on a baseline.

    Give a MODEL_ID, which brings its baseline along; or two runs, or two models; or a name and a
    version in MLflow.
    """
    subject = model_id is not None or claimed or any(named.values())
    if fetch is None and not subject:
        raise click.UsageError("Say what to attest: a model id, or two runs.")
    if fetch is not None and subject:
        raise click.UsageError("--fetch gets an attestation that there is, and takes no others.")
    given: Any = metrics_from_pairs(metrics)
    if baseline_metrics:
        given = {"baseline": metrics_from_pairs(baseline_metrics), "improved": given or {}}
    if fetch is not None:
        found = connect(url).attestation(fetch)
    else:
        found = connect(url).attest(
            {
                "kind": "claimed" if claimed else "witnessed",
                "model_id": model_id,
                "metrics": given,
                "data_contribution": data_contribution_of(
                    contributions, contributor, samples, data_hash, data
                ),
                **named,
            },
            idempotency_key,
        )
    if output is not None:
        try:
            with open(output, "w", encoding="utf-8") as file:
                json.dump(dict(found), file, indent=2)
                file.write("\n")
        except OSError as error:
            raise ConfigurationError(
                f"{output} cannot be written: {error.strerror}. The same command again gets the "
                f"same attestation, {found['hash']}."
            ) from None
    if as_json:
        write_json(dict(found))
        return
    data_of = found["data"]
    points = found["delta_one"]
    write_record(
        {
            "attestation": found["hash"],
            "kind": found["kind"],
            "metrics": format_metrics(data_of["metrics"]),
            "primary metric": data_of["primary_metric"],
            "improvement": None if points is None else f"{points:g} percentage points",
            "signed by": found["signature"]["signer"],
            "log entry": str(found["log"]["index"]),
            "file": output,
        }
    )
