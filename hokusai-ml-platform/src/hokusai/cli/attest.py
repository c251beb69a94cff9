"""`hokusai attest`: have the gateway attest a model or an improvement, and save the result."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import IO, Any, Mapping, Sequence

import click

from hokusai.cli.options import (
    JSONObject,
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
from hokusai.cli.output import format_metrics, write_json, write_record
from hokusai.cli.output_file import IsKind, json_with, output_file
from hokusai.errors import ConfigurationError


@click.command()
@click.argument("model_id", required=False)
@click.option("--baseline-run", "baseline_run_id", metavar="ID", help="The baseline's run.")
@click.option("--improved-run", "improved_run_id", metavar="ID", help="The improved model's run.")
@click.option("--baseline-model", "baseline_model_id", metavar="MODEL", help="The baseline's id.")
@click.option("--improved-model", "improved_model_id", metavar="MODEL", help="The model's id.")
@click.option("--model-name", help="A registered model in MLflow, with --model-version.")
@click.option("--model-version", help="Its version in MLflow.")
@click.option("--fetch", metavar="HASH", help="Fetch an existing attestation by its hash.")
@click.option("--claimed", is_flag=True, help="Attest --metric without comparing with MLflow.")
@click.option("--proof", metavar="FILE", help="A proof by `hokusai benchmark prove`.")
@click.option("--benchmark", metavar="ID", help="The benchmark of --evaluation.")
@click.option(
    "--evaluation",
    type=JSONObject(),
    metavar="JSON",
    help="The counts or scores of both models on --benchmark, or @FILE.",
)
@metric_option("--metric", "metrics", "A metric of the improved model, which must equal MLflow's.")
@metric_option("--baseline-metric", "baseline_metrics", "A metric of the baseline, likewise.")
@primary_metric_option
@click.option(
    "--refresh/--registered",
    default=None,
    help="Where MLflow has other values than the registration: attest MLflow's, or the registered "
    "ones.",
)
@click.option("--private/--public", default=None, help="Who may read the attestation.")
@contribution_options
@idempotency_key_option
@click.option("-o", "--output", metavar="FILE", help="Write the attestation to a file.")
@click.option("--bundle", metavar="FILE", help="Write a Sigstore bundle of it to a file.")
@url_option
@json_option
def attest(
    model_id: str | None,
    fetch: str | None,
    claimed: bool,
    proof: str | None,
    benchmark: str | None,
    evaluation: dict[str, Any] | None,
    refresh: bool | None,
    private: bool | None,
    metrics: Sequence[tuple[str, float]],
    baseline_metrics: Sequence[tuple[str, float]],
    contributor: str | None,
    contributions: Sequence[dict[str, Any]],
    samples: int | None,
    data_hash: str | None,
    data: str | None,
    idempotency_key: str | None,
    output: str | None,
    bundle: str | None,
    url: str | None,
    as_json: bool,
    **subject: Any,
) -> None:
    """Have a model attested, or its improvement on a baseline.

    Pass the MODEL_ID of a registered model, whose baseline is known; or two runs; or two model
    ids; or the name and version of a model in MLflow.
    """
    if proof is not None:
        subject.update(_read_proof(proof, subject))
    has_subject = model_id is not None or claimed or any(subject.values())
    if fetch is None and not has_subject:
        raise click.UsageError("Pass what to attest, such as a model id or two runs.")
    if (benchmark is None) != (evaluation is None) or None not in (benchmark, proof):
        raise click.UsageError("Pass --benchmark and --evaluation together, without --proof.")
    if evaluation is not None:
        subject.update(benchmark_id=benchmark, evaluation=evaluation)
    if fetch is not None and has_subject:
        raise click.UsageError("--fetch cannot be combined with what to attest.")
    compared: Any = metrics_from_pairs(metrics)
    if baseline_metrics:
        compared = {
            "baseline": metrics_from_pairs(baseline_metrics),
            "improved": compared or {},
        }
    gateway = connect(url)
    digest = fetch
    try:
        with ExitStack() as stack:
            file, bundle_file = (
                None if path is None else stack.enter_context(output_file(path, kind, is_kind))
                for path, kind, is_kind in _outputs(output, bundle)
            )
            if fetch is not None:
                attestation = gateway.attestation(fetch)
            else:
                body = {
                    "kind": "claimed" if claimed else None,
                    "model_id": model_id,
                    "metrics": compared,
                    "data_contribution": data_contribution_of(
                        contributions, contributor, samples, data_hash, data
                    ),
                    "refresh": refresh,
                    "private": private,
                    **subject,
                }
                attestation = gateway.attest(body, idempotency_key)
            digest = attestation["hash"]
            if file is not None:
                _write(file, attestation)
            if bundle_file is not None:
                _write(bundle_file, gateway.attestation_bundle(digest))
    except ConfigurationError as error:
        if digest is None:
            raise
        raise ConfigurationError(
            f"{error} The same command returns the same attestation again, {digest}."
        ) from None
    if as_json:
        write_json(dict(attestation))
    else:
        _show(attestation, output, bundle)


def _read_proof(path: str, named: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a request that a file of `hokusai benchmark prove` has."""
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        members = {"benchmark_id": document["benchmark_id"], "proof": document["proof"]}
        for name in ("baseline_model_id", "improved_model_id"):
            members[name] = named[name] or document[name]
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigurationError(
            f"{path} is not a file that `hokusai benchmark prove` wrote."
        ) from None
    return members


def _outputs(output: str | None, bundle: str | None) -> Sequence[tuple[str | None, str, IsKind]]:
    return (
        (output, "an attestation", json_with("hash", "data")),
        (bundle, "a Sigstore bundle", json_with("dsseEnvelope")),
    )


def _write(file: IO[bytes], document: Mapping[str, Any]) -> None:
    file.write(f"{json.dumps(dict(document), indent=2)}\n".encode())


def _show(attestation: Mapping[str, Any], path: str | None, bundle: str | None) -> None:
    points = attestation["delta_one"]
    write_record(
        {
            "attestation": attestation["hash"],
            "kind": attestation["kind"],
            "metrics": format_metrics(attestation["data"]["metrics"]),
            "primary metric": attestation["data"]["primary_metric"],
            "improvement": None if points is None else f"{points:g} percentage points",
            "on the benchmark": _judgement(attestation["data"].get("evaluation")),
            "signed by": attestation["signature"]["signer"],
            "log entry": str(attestation["log"]["index"]),
            "file": path,
            "bundle": bundle,
        }
    )


def _judgement(evaluation: Mapping[str, Any] | None) -> str | None:
    if evaluation is None:
        return None
    acceptance = evaluation["acceptance"]
    if acceptance["accepted"]:
        return f"{evaluation['benchmark']['name']}: accepted"
    return f"{evaluation['benchmark']['name']}: not accepted ({acceptance['reason']})"
