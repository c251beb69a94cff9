"""Starting MLflow runs at the gateway."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Iterator, Mapping

from hokusai.batched_logging import batched_logging
from hokusai.core.registry import ModelRegistry, default_registry
from hokusai.errors import ConfigurationError
from hokusai.results import Result

if TYPE_CHECKING:
    from mlflow.entities import Run


class ExperimentManager:
    """Starts runs in experiments of the caller's tenant.

    Attributes:
        registry: The registry at whose gateway the runs are started.
    """

    def __init__(self, registry: ModelRegistry | None = None) -> None:
        """Choose the registry.

        Args:
            registry: The registry; by default the one created last.

        Raises:
            ConfigurationError: No registry has been created in this process.
        """
        chosen = registry or default_registry()
        if chosen is None:
            raise ConfigurationError("There is no registry. Create a ModelRegistry first.")
        self.registry = chosen

    def compare_models(self, baseline_id: str, candidate_id: str) -> Result:
        """Compare the registered metrics of two models: `ModelRegistry.compare_models`."""
        return self.registry.compare_models(baseline_id, candidate_id)

    @contextlib.contextmanager
    def start_experiment(
        self,
        name: str,
        *,
        run_name: str | None = None,
        tags: Mapping[str, Any] | None = None,
        description: str | None = None,
    ) -> Iterator[Run]:
        """Start a run, which is MLflow's active run inside the `with` block.

        Within the block of another run it is a nested run. It ends with the block: as FINISHED, or
        as FAILED if the block raises. Afterwards MLflow's active experiment is the same as before.

        What the block logs is sent in batches, by MLflow's asynchronous logging, so that thousands
        of `log_metric` calls take few requests. It is all there when the block ends, and when
        something is read. An error of logging is raised at the end of the block at the latest. If
        `MLFLOW_ENABLE_ASYNC_LOGGING` is set, it decides.

        Args:
            name: The experiment, which is created if it does not exist.
            run_name: The name of the run; MLflow invents one by default.
            tags: Tags of the run.
            description: A description of the run.

        Yields:
            The run.

        Raises:
            CredentialError: There is no credential.
            ConfigurationError: A run is active at another tracking server.
            mlflow.exceptions.MlflowException: The run cannot be started, or something cannot be
                logged.
        """
        import mlflow

        self.registry.activate()
        previous = _ActiveExperiment()
        nested = mlflow.active_run() is not None
        try:
            experiment = mlflow.set_experiment(name)
            with mlflow.start_run(
                experiment_id=experiment.experiment_id,
                run_name=run_name,
                nested=nested,
                tags=dict(tags) if tags else None,
                description=description,
            ) as run, batched_logging():
                yield run
        finally:
            previous.restore()


class _ActiveExperiment:
    """MLflow's active experiment at one moment, so that it can be restored.

    MLflow keeps it in a variable of its own and, since 3.0, also in the environment for child
    processes, and has no function that unsets it.
    """

    _VARIABLE = "MLFLOW_EXPERIMENT_ID"

    def __init__(self) -> None:
        from mlflow.tracking import fluent

        self._fluent = fluent
        self._id = fluent._active_experiment_id
        self._environment_id = os.environ.get(self._VARIABLE)

    def restore(self) -> None:
        self._fluent._active_experiment_id = self._id
        if self._environment_id is None:
            os.environ.pop(self._VARIABLE, None)
        else:
            os.environ[self._VARIABLE] = self._environment_id
