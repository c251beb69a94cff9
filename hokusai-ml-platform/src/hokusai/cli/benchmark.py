"""`hokusai benchmark`: register a test set, commit to predictions, and prove an improvement."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Sequence

import click

from hokusai.cli.benchmark_records import create, list_benchmarks, show
from hokusai.cli.options import connect, idempotency_key_option, json_option, url_option
from hokusai.cli.output import write_json, write_record
from hokusai.cli.output_file import json_with, output_file
from hokusai.errors import ConfigurationError, InputError

if TYPE_CHECKING:
    from hokusai.proofs import Committed, Proving

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_statement_option = click.option(
    "--statement",
    type=click.Choice(["cells", "agreement"]),
    help="`agreement` for more than two classes; by default what the values need.",
)
_secret_option = click.option(
    "--save",
    "secret",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to keep the values and their salt, without which nothing can be proven.",
)


@click.group()
def benchmark() -> None:
    """Register a test set, commit to predictions on it, and prove an improvement.

    Values are read from text files with one whole number a line, in the order of the rows.
    """


for _command in (create, list_benchmarks, show):
    benchmark.add_command(_command)


@benchmark.command()
@click.argument("labels", type=_FILE)
@click.option("--name", required=True, help="The name of the benchmark.")
@click.option("--dataset-hash", required=True, help="The SHA-256 of the data set.")
@click.option("--dataset-version", required=True, help="Its version.")
@click.option("--split", help="Which part of it, such as `test`.")
@click.option("--metric", default="accuracy", show_default=True, help="The metric that counts.")
@_statement_option
@click.option("--private/--public", default=None, help="Who may see the benchmark.")
@_secret_option
@idempotency_key_option
@url_option
@json_option
def commit(
    labels: Path,
    statement: str | None,
    secret: Path,
    idempotency_key: str | None,
    url: str | None,
    as_json: bool,
    **members: Any,
) -> None:
    """Register a benchmark with a commitment to the labels in the file LABELS.

    LABELS has one whole number a line, in the order of the rows: 0 or 1 for two classes.
    If the --save file exists already, the commitment in it is registered again.
    """
    committed = _committed("labels", labels, statement, secret)
    body = {
        "rows": len(committed.values),
        "label_commitment": committed.commitment,
        **members,
    }
    registered = connect(url).register_benchmark(body, idempotency_key)
    if as_json:
        write_json(dict(registered))
        return
    write_record(
        {
            "benchmark": registered["benchmark_id"],
            "rows": str(registered["rows"]),
            "metric": registered["metric"],
            "label commitment": registered["label_commitment"],
            "log entry": str(registered["log_index"]),
            "secret": str(secret),
        }
    )


@benchmark.command()
@click.argument("benchmark_id")
@click.argument("model_id")
@click.argument("predictions", type=_FILE)
@_statement_option
@_secret_option
@url_option
@json_option
def predict(
    benchmark_id: str,
    model_id: str,
    predictions: Path,
    statement: str | None,
    secret: Path,
    url: str | None,
    as_json: bool,
) -> None:
    """Commit to the predictions of MODEL_ID on BENCHMARK_ID, in the file PREDICTIONS."""
    committed = _committed("predictions", predictions, statement, secret)
    sent = _proving(url).send_predictions(benchmark_id, model_id, committed)
    if as_json:
        write_json(dict(sent))
        return
    write_record(
        {
            "predictions": sent["predictions_id"],
            "commitment": sent["commitment"],
            "log entry": str(sent["log_index"]),
            "secret": str(secret),
        }
    )


@benchmark.command()
@click.argument("benchmark_id")
@click.option("--baseline-model", required=True, metavar="MODEL", help="The baseline's id.")
@click.option("--improved-model", required=True, metavar="MODEL", help="The improved model's id.")
@click.option("--labels", required=True, type=_FILE, help="What `commit` saved.")
@click.option("--baseline", required=True, type=_FILE, help="What `predict` saved of the baseline.")
@click.option(
    "--improved", required=True, type=_FILE, help="What `predict` saved of the improved model."
)
@click.option(
    "--prover",
    type=click.Choice(["python", "groth16py"]),
    help="By default groth16py where it is installed.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write, for `hokusai attest --proof`.",
)
@url_option
def prove(
    benchmark_id: str,
    baseline_model: str,
    improved_model: str,
    labels: Path,
    baseline: Path,
    improved: Path,
    prover: str | None,
    output: Path,
    url: str | None,
) -> None:
    """Prove the counts of both models on BENCHMARK_ID, without revealing a label."""
    from hokusai.proofs import Committed

    with output_file(output, "a proof", json_with("proof", "benchmark_id")) as file:
        made = _proving(url).prove(
            benchmark_id,
            baseline_model,
            improved_model,
            Committed.load(labels),
            Committed.load(baseline),
            Committed.load(improved),
            prover=prover,
        )
        file.write(f"{json.dumps(dict(made), indent=2)}\n".encode())
    write_record(
        {
            "proof": str(output),
            "circuit": made["proof"]["circuit"],
            "setup": made["proof"]["setup"],
            "prover": made["prover"],
        }
    )


def _proving(url: str | None) -> Proving:
    from hokusai.proofs import Proving

    return Proving(connect(url))


def _committed(role: str, path: Path, statement: str | None, secret: Path) -> Committed:
    """The commitment of before, or a new one, which is saved before it is sent."""
    from hokusai.proofs import Committed, commit_labels, commit_predictions

    values = _values(path)
    if secret.exists():
        found = Committed.load(secret)
        if found.role != role or list(found.values) != values:
            raise InputError(f"{secret} has other values than {path}. Name another file to --save.")
        return found
    make = commit_labels if role == "labels" else commit_predictions
    committed = make(values, statement=statement)
    try:
        committed.save(secret)
    except OSError as error:
        raise ConfigurationError(f"{secret} cannot be written: {error.strerror}.") from None
    return committed


def _values(path: Path) -> Sequence[int]:
    values = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        text = line.strip()
        if text:
            if not (text.isascii() and text.isdigit()) or len(text) > 9:
                raise InputError(f"Line {number} of {path} is not a whole number.")
            values.append(int(text))
    return values
