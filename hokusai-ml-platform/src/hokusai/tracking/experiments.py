"""Runs in an experiment of the caller's tenant."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Iterator, Mapping

from hokusai.core.registry import ModelRegistry, default_registry
from hokusai.errors import ConfigurationError

if TYPE_CHECKING:
    from mlflow.entities import Run


class ExperimentManager:
    """Starts runs at a registry's gateway; by default at that of the registry made last.

    Raises ConfigurationError where there is none.
    """

    def __init__(self, registry: ModelRegistry | None = None) -> None:
        found = registry or default_registry()
        if found is None:
            raise ConfigurationError("There is no registry. Make a ModelRegistry first.")
        self.registry = found

    @contextlib.contextmanager
    def start_experiment(
        self,
        name: str,
        *,
        run_name: str | None = None,
        tags: Mapping[str, Any] | None = None,
        description: str | None = None,
    ) -> Iterator[Run]:
        """A run in the experiment `name`, which is made if it is not there: MLflow's active run for
        as long as the block lasts, and inside another one a child of it.

        It ends as FINISHED, or as FAILED where the block raises. Afterwards MLflow's active
        experiment is what it was.
        """
        import mlflow

        self.registry.activate()
        before = _ActiveExperiment()
        nested = mlflow.active_run() is not None
        try:
            experiment = mlflow.set_experiment(name)
            with mlflow.start_run(
                experiment_id=experiment.experiment_id,
                run_name=run_name,
                nested=nested,
                tags=dict(tags) if tags else None,
                description=description,
            ) as run:
                yield run
        finally:
            before.restore()


class _ActiveExperiment:
    """MLflow's active experiment, to put back. MLflow sets it in a variable of its own, and since
    3.0 for child processes in the environment too, and has no function that unsets it.
    """

    _VARIABLE = "MLFLOW_EXPERIMENT_ID"

    def __init__(self) -> None:
        from mlflow.tracking import fluent

        self._fluent = fluent
        self._id = fluent._active_experiment_id
        self._inherited = os.environ.get(self._VARIABLE)

    def restore(self) -> None:
        self._fluent._active_experiment_id = self._id
        if self._inherited is None:
            os.environ.pop(self._VARIABLE, None)
        else:
            os.environ[self._VARIABLE] = self._inherited
