"""Uploading a saved MLflow model to a new run, with a progress bar."""

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
from hokusai.verify.model_files import ModelFile, hash_file

DEFAULT_EXPERIMENT = "hokusai-cli"


def require_saved_model(directory: str) -> None:
    """Raise click.UsageError unless MLflow's `save_model` wrote the directory."""
    if not (Path(directory) / "MLmodel").is_file():
        raise click.UsageError(
            f"{directory} has no file MLmodel, so it is not a model that MLflow's save_model wrote."
        )


def upload(
    url: str | None, directory: str, experiment: str | None, metrics: Mapping[str, float]
) -> tuple[str, list[ModelFile]]:
    """Log a directory as the artifact `model` of a new run, and metrics with it.

    If anything fails, the run ends as FAILED.

    Args:
        url: The value of `--url`.
        directory: A directory that MLflow's `save_model` wrote.
        experiment: The experiment of the run; by default `DEFAULT_EXPERIMENT`.
        metrics: The metrics to log.

    Returns:
        The id of the run, and the files as they were before they went up.

    Raises:
        click.UsageError: The directory is not a saved model.
        mlflow.exceptions.MlflowException: MLflow refused.
    """
    require_saved_model(directory)
    root = Path(directory)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    hashed: list[ModelFile] = []

    import mlflow

    from hokusai.core import ModelRegistry

    ModelRegistry(url).activate()
    # MLflow's messages about its progress would disturb the bar.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    client = mlflow.MlflowClient()
    # MLflow prints links to the pages of a tracking server, which the gateway does not have.
    with contextlib.redirect_stdout(io.StringIO()):
        chosen = mlflow.set_experiment(experiment or DEFAULT_EXPERIMENT)
        run_id: str = client.create_run(chosen.experiment_id, run_name=root.name).info.run_id
        try:
            for name, value in metrics.items():
                client.log_metric(run_id, name, value)
            for path in _with_progress(files):
                name = path.relative_to(root).as_posix()
                hashed.append(ModelFile(name, *hash_file(path, follow_links=True)))
                folder = Path("model", path.relative_to(root)).parent.as_posix()
                client.log_artifact(run_id, str(path), folder)
        except BaseException:
            client.set_terminated(run_id, "FAILED")
            raise
        client.set_terminated(run_id)
    return run_id, hashed


def _with_progress(files: list[Path]) -> Iterator[Path]:
    """Yield the files; the bar counts a file's bytes when the next one is requested."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn

    terminal = Console(file=sys.stderr, markup=False, emoji=False)
    sizes = {path: os.path.getsize(path) for path in files}
    with Progress(
        # The bar does not move within a large file; the spinner shows that the upload goes on.
        SpinnerColumn(),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.description}", markup=False),
        console=terminal,
        disable=not terminal.is_terminal,
        # The caller has redirected standard output already.
        redirect_stdout=False,
        redirect_stderr=False,
    ) as progress:
        task = progress.add_task("Uploading", total=sum(sizes.values()))
        for path, size in sizes.items():
            progress.update(task, description=f"Uploading {sanitize(path.name)}")
            yield path
            progress.advance(task, size)
