"""The plugin as a whole: it is found, costs nothing to list, and its recipe runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import imgfw
import pytest
from imgfw_plugin_tracking.hyperparameters import flatten

from .conftest import Train

HERE = Path(__file__).resolve().parent.parent


def test_listing_the_plugin_imports_no_tracker() -> None:
    code = (
        "import sys, imgfw_plugin_tracking\n"
        "print([name for name in ('torch', 'tensorboard', 'mlflow', 'wandb') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_recipe_runs_with_all_trackers_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    changes = ["train.epochs=1", "loader.batch_size=300", "loader.num_workers=0", "model.width=4"]
    result = imgfw.run(HERE / "recipe.json", overrides=changes, quiet=True)
    assert result.status == "completed"
    assert list((result.folder / "tensorboard").glob("events.*"))
    assert list((result.folder / "wandb").glob("offline-run-*/*.wandb"))
    assert (tmp_path / "mlflow.db").exists()


def test_the_recipe_of_the_readme_passes_every_check() -> None:
    (text,) = re.findall(r"```json\n(.*?)```", (HERE / "README.md").read_text(), re.DOTALL)
    report = imgfw.check(json.loads(text))
    assert [callback["type"] for callback in report.recipe["callbacks"]] == [
        "imgfw-plugin-tracking/tensorboard"
    ]


@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "wandb"])
def test_a_missing_library_is_named_with_what_brings_it(
    name: str, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(imgfw.PluginError, match=rf"Run: pip install 'imgfw-plugin-tracking\[{name}\]'"):
        train({"type": name})
    assert list(runs.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_an_error_at_the_start(train: Train, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(imgfw.PluginError, match="TensorBoard cannot follow this run: NotADirectoryError"):
        train({"type": "tensorboard", "log_dir": str(tmp_path / "file")})


def test_hyper_parameters_are_named_by_their_paths() -> None:
    recipe = {
        "seed": 0,
        "name": None,
        "train": {"compile": False},
        "transforms": {"train": [{"type": "resize", "size": [8, 8]}, "normalize"], "eval": []},
    }
    assert flatten(recipe) == {
        "seed": 0,
        "train.compile": False,
        "transforms.train.0.type": "resize",
        "transforms.train.0.size": "[8, 8]",
        "transforms.train.1": "normalize",
        "transforms.eval": "[]",
    }
