"""The runs that MLflow's client finds in its database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imgfw
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from .conftest import MLFLOW_URI, Diverge, Kill, Train
from .rows import curves_of


@pytest.fixture
def callback(request: pytest.FixtureRequest) -> dict[str, str]:
    """The callback, with an experiment of the test's own."""
    return {"type": "mlflow", "tracking_uri": MLFLOW_URI, "experiment": request.node.name}


def the_run(callback: dict[str, str]) -> tuple[MlflowClient, Run]:
    client = MlflowClient(callback["tracking_uri"])
    (run,) = client.search_runs([client.get_experiment_by_name(callback["experiment"]).experiment_id])
    return client, run


def curve(client: MlflowClient, run: Run, name: str) -> dict[int, float]:
    history = client.get_metric_history(run.info.run_id, name)
    assert len({point.step for point in history}) == len(history)
    return {point.step: point.value for point in history}


def test_a_finished_run_has_its_curves_results_and_parameters(train: Train, callback: dict[str, str]) -> None:
    result = train(callback)
    client, run = the_run(callback)
    recorded = curves_of(result.folder)
    for name in ("train/loss", "lr", "val/loss", "val/accuracy"):
        assert curve(client, run, name) == recorded[name]
    assert run.data.metrics["best/epoch"] == result.summary["best"]["epoch"]
    assert run.data.metrics["best/val/accuracy"] == result.summary["best"]["val/accuracy"]
    assert run.data.metrics["test/accuracy"] == result.summary["test"]["test/accuracy"]
    assert run.data.params["model.width"] == "4"
    assert run.data.params["metrics.0.type"] == "imgfw/accuracy"
    assert run.data.tags["imgfw.run_folder"] == str(result.folder)
    assert (run.info.run_name, run.info.status) == ("tiny", "FINISHED")


def test_a_resumed_run_is_the_same_run(train: Train, callback: dict[str, str], runs: Path) -> None:
    with pytest.raises(imgfw.InterruptedRun):
        train(callback, Kill(step=3))
    interrupted = the_run(callback)[1]
    assert interrupted.info.status == "KILLED"
    (folder,) = runs.iterdir()
    imgfw.resume(folder, quiet=True)
    client, run = the_run(callback)
    assert (run.info.run_id, run.info.status) == (interrupted.info.run_id, "FINISHED")
    assert curve(client, run, "train/loss") == curves_of(folder)["train/loss"]


def test_a_run_that_failed_is_marked_so(train: Train, callback: dict[str, str]) -> None:
    with pytest.raises(imgfw.DivergedError):
        train(callback, Diverge())
    run = the_run(callback)[1]
    assert (run.info.status, run.data.tags["imgfw.status"]) == ("FAILED", "diverged")


def test_names_that_mlflow_refuses_are_changed(train: Train, callback: dict[str, str]) -> None:
    class Logs(imgfw.Callback):
        def on_epoch_end(self, run: imgfw.Run) -> None:
            run.log("norm (L2)", 3.0)

    train(callback, Logs())
    assert the_run(callback)[1].data.metrics["norm _L2_"] == 3.0


def test_a_failure_in_the_middle_is_said_once_and_the_run_goes_on(
    train: Train, callback: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    send, calls = MlflowClient.log_batch, []

    def fail_later(self: MlflowClient, *args: Any, **kwargs: Any) -> Any:
        calls.append(kwargs)
        if len(calls) > 2:
            raise ConnectionError("the server is gone")
        return send(self, *args, **kwargs)

    monkeypatch.setattr(MlflowClient, "log_batch", fail_later)
    result = train(callback)
    assert (result.status, len(calls)) == ("completed", 3)
    (record,) = [record for record in caplog.records if record.name == "imgfw.tracking"]
    assert record.getMessage() == (
        "warning: MLflow failed, and the run goes on without it: ConnectionError: the server is gone. "
        "The run's own metrics.csv and events.jsonl hold everything."
    )


def test_a_resumed_run_goes_on_though_the_tracker_is_gone(
    train: Train, callback: dict[str, str], runs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(imgfw.InterruptedRun):
        train(callback, Kill(step=3))
    client, run = the_run(callback)
    client.delete_run(run.info.run_id)
    (folder,) = runs.iterdir()
    assert imgfw.resume(folder, quiet=True).status == "completed"
    assert "MLflow failed, and the run goes on without it" in caplog.text


def test_a_database_that_cannot_be_opened_is_an_error_at_the_start(train: Train, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    uri = f"sqlite:///{tmp_path / 'file' / 'mlflow.db'}"
    with pytest.raises(imgfw.PluginError, match=r"^MLflow cannot follow this run: .*leave the callback"):
        train({"type": "mlflow", "tracking_uri": uri})
