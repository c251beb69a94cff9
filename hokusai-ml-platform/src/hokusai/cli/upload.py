"""Logging a saved MLflow model to a run of its own, with a bar that shows how far it is."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from pathlib import Path
from typing import Iterator, Mapping

import click

from hokusai.cli.output import sanitize

DEFAULT_EXPERIMENT = "hokusai-cli"


def upload(
    url: str | None, directory: str, experiment: str | None, metrics: Mapping[str, float]
) -> str:
    """Log a directory as the artifact `model` of a new run, and the metrics with it: the run's id.

    The run ends as FAILED where something goes wrong. Raises UsageError for a directory that is not
    a saved model, and MLflow's MlflowException.
    """
    root = Path(directory)
    if not (root / "MLmodel").is_file():
        raise click.UsageError(
            f"{directory} has no file MLmodel: MLflow's save_model writes such directories."
        )
    files = sorted(path for path in root.rglob("*") if path.is_file())

    import mlflow

    from hokusai.core import ModelRegistry

    ModelRegistry(url).activate()
    # What it does is MLflow's own business as long as it works.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    client = mlflow.MlflowClient()
    # MLflow prints links to a web page that no gateway has.
    with contextlib.redirect_stdout(io.StringIO()):
        found = mlflow.set_experiment(experiment or DEFAULT_EXPERIMENT)
        run_id: str = client.create_run(found.experiment_id, run_name=root.name).info.run_id
        try:
            for name, value in metrics.items():
                client.log_metric(run_id, name, value)
            for path in _with_progress(files):
                folder = Path("model", path.relative_to(root)).parent.as_posix()
                client.log_artifact(run_id, str(path), folder)
        except BaseException:
            client.set_terminated(run_id, "FAILED")
            raise
        client.set_terminated(run_id)
    return run_id


def _with_progress(files: list[Path]) -> Iterator[Path]:
    """The files one by one, each counted with its bytes when it is done."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn

    terminal = Console(file=sys.stderr, markup=False, emoji=False)
    # Within a large file the bar stands still; the spinner shows that something goes on.
    name = TextColumn("{task.description}", markup=False)
    sizes = {path: os.path.getsize(path) for path in files}
    # Standard output is not ours to redirect here: the caller has done so.
    with Progress(
        SpinnerColumn(),
        BarColumn(),
        DownloadColumn(),
        name,
        console=terminal,
        disable=not terminal.is_terminal,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as progress:
        task = progress.add_task("Uploading", total=sum(sizes.values()))
        for path, size in sizes.items():
            progress.update(task, description=f"Uploading {sanitize(path.name)}")
            yield path
            progress.advance(task, size)
