"""A tiny recipe, and runs of it that may be interrupted."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_ERROR_REPORTING": "false"}

import imgfw
import pytest

RECIPE: dict[str, Any] = {
    "name": "tiny",
    "data": "digits",
    "loader": {"batch_size": 300, "num_workers": 0},
    "model": {"type": "resnet9", "width": 4},
    "train": {"epochs": 2, "log_every": 2, "device": "cpu"},
}


class Kill(imgfw.Callback):
    """Sends this process the signal of Ctrl-C after a step."""

    def __init__(self, *, step: int) -> None:
        self.step = step

    def on_step_end(self, run: imgfw.Run) -> None:
        if run.step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


class Diverge(imgfw.Callback):
    """Spoils the weights after the first epoch."""

    def on_epoch_end(self, run: imgfw.Run) -> None:
        import torch

        with torch.no_grad():
            for parameter in run.model.parameters():
                parameter.fill_(float("nan"))


_MLFLOW = tempfile.TemporaryDirectory(prefix="imgfw-mlflow-")

MLFLOW_URI = f"sqlite:///{_MLFLOW.name}/mlflow.db"
"""One database for all tests: making its tables takes seconds."""

Train = Callable[..., imgfw.RunResult]


@pytest.fixture
def train(tmp_path: Path) -> Train:
    """Run the tiny recipe with a callback of this plugin: `train({"type": "mlflow"}, Kill(step=3))`."""

    def run(callback: dict[str, Any], *given: imgfw.Callback) -> imgfw.RunResult:
        recipe = RECIPE | {"callbacks": [callback], "output_dir": str(tmp_path / "runs")}
        return imgfw.run(recipe, callbacks=given, quiet=True)

    return run


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Where the run folders are."""
    return tmp_path / "runs"
