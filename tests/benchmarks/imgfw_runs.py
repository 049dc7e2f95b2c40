"""Running imgfw on a recipe, as a user would, to time its training."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import imgfw
from imgfw.recipe.reading import read_recipe
from measuring import Seconds

PLUGIN = str(Path(__file__).with_name("bench_plugin.py"))


def timed_training(recipe: dict[str, Any] | Path, overrides: Sequence[str] = ()) -> Seconds:
    """Run a recipe and say what the training steps of its last epoch took.

    From the start of the epoch to its end: fetching, every step with its log lines, and what the loop does at
    either end of an epoch. Not in it: building, saving, the test. The recipe must leave out validation.

    Args:
        recipe: a recipe file, or its data.
        overrides: changes to it, as of `--set`.
    """
    with tempfile.TemporaryDirectory() as folder, _silence():
        full = {
            **read_recipe(recipe, overrides).raw,
            "name": "bench",
            "plugins": [PLUGIN],
            "callbacks": ["epoch_timer"],
            "output_dir": folder,
        }
        result = imgfw.run(full)
        return Seconds(**json.loads((result.folder / "epoch.json").read_text()))


@contextlib.contextmanager
def written(recipe: Mapping[str, Any]) -> Iterator[Path]:
    """A recipe as a file, with our plugin beside it: a recipe file may name none that is elsewhere."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(PLUGIN, folder)
        path = Path(folder) / "recipe.json"
        path.write_text(json.dumps({**recipe, "plugins": [f"./{Path(PLUGIN).name}"]}))
        yield path


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Send what is printed to a file that keeps nothing: printing costs what it costs, but isn't seen."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield
