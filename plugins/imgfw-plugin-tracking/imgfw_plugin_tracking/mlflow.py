"""Following a run in MLflow."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from imgfw_plugin_tracking.hyperparameters import flatten
from imgfw_plugin_tracking.tracker import Tracker

if TYPE_CHECKING:
    from imgfw import Run
    from mlflow import MlflowClient

_STATUS = {"completed": "FINISHED", "stopped": "FINISHED", "interrupted": "KILLED"}
"""MLflow's word for how a run ended; any other ending is FAILED."""

_PARAMETERS_A_CALL = 100
"""MLflow takes no more at once."""


class Mlflow(Tracker):
    """Sends curves, parameters and results to MLflow.

    Metrics: the training loss and the learning rate every `train.log_every` steps, everything measured
    after each epoch, the best epoch and the final test at the end. Parameters: the resolved recipe. Tags:
    the run's folder, and imgfw's word for how it ended. It leaves `mlflow.active_run()` alone.

    Args:
        tracking_uri: a server or database, as `http://localhost:5000` or `sqlite:///mlflow.db`; null: what
            MLFLOW_TRACKING_URI says, else MLflow's own default. Keep passwords out of it: a recipe is copied
            into every run's folder.
        experiment: the experiment's name; it is made where there is none.
    """

    title, library, extra = "MLflow", "mlflow", "mlflow"

    def __init__(self, *, tracking_uri: str | None = None, experiment: str = "imgfw") -> None:
        super().__init__()
        self._tracking_uri = tracking_uri
        self._experiment = experiment
        self._client: MlflowClient

    def start(self, run: Run) -> None:
        """Make a run of MLflow's, or open the one that was made before."""
        from mlflow import MlflowClient

        self._client = MlflowClient(self._tracking_uri)
        if self.run_id is not None:
            self._client.update_run(self.run_id, status="RUNNING")
            return
        tags = {"imgfw.run_folder": str(run.folder.absolute())}
        made = self._client.create_run(self._experiment_id(), tags=tags, run_name=run.folder.name)
        self.run_id = made.info.run_id
        self._send_parameters(run.recipe)

    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self._experiment)
        return found.experiment_id if found is not None else self._client.create_experiment(self._experiment)

    def _send_parameters(self, recipe: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        parameters = [Param(_name(key), str(value)) for key, value in flatten(recipe).items()]
        for some in _pieces(parameters, _PARAMETERS_A_CALL):
            self._client.log_batch(self.run_id, params=some)

    def write(self, figures: Mapping[str, float], step: int) -> None:
        """Send a point of each curve."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(_name(name), value, now, step) for name, value in figures.items()]
        self._client.log_batch(self.run_id, metrics=metrics)

    def conclude(self, run: Run, results: Mapping[str, float]) -> None:
        """Send the results."""
        self.write(results, run.step)

    def finish(self, status: str) -> None:
        """Say how it ended."""
        self._client.set_tag(self.run_id, "imgfw.status", status)
        self._client.set_terminated(self.run_id, _STATUS.get(status, "FAILED"))


def _name(name: str) -> str:
    """A name with nothing in it that MLflow refuses."""
    return re.sub(r"[^\w\-. /]", "_", name)


def _pieces(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
