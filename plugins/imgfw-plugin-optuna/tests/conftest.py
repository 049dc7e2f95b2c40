"""A tiny recipe, sweeps of it, and the command."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from click.testing import CliRunner, Result
from imgfw_plugin_optuna.command import main


@pytest.fixture
def recipe(tmp_path: Path) -> dict[str, Any]:
    """A run of two epochs that takes a moment."""
    return copy.deepcopy(
        {
            "name": "tiny",
            "data": "digits",
            "loader": {"batch_size": 300, "num_workers": 0},
            "transforms": {"train": ["normalize"], "eval": ["normalize"]},
            "model": {"type": "resnet9", "width": 2},
            "optimizer": {"type": "adam", "lr": 0.01},
            "train": {"epochs": 2, "device": "cpu"},
            "output_dir": str(tmp_path / "runs"),
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a sweep of the recipe writes."""
    return tmp_path / "runs" / "tiny-sweep"


@pytest.fixture
def command() -> Callable[..., Result]:
    """Run the command: `command("recipe.json", "space.json", "--trials", "2")`."""

    def call(*words: object) -> Result:
        return CliRunner().invoke(main, [str(word) for word in words])

    return call


@pytest.fixture(autouse=True)
def quiet_optuna() -> None:
    """Optuna tells of each trial on stderr otherwise."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
