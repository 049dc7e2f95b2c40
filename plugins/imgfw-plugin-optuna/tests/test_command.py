"""The command: what it prints, and its exit codes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imgfw
import pytest
from click.testing import Result

HERE = Path(__file__).resolve().parent.parent
Call = Callable[..., Result]


@pytest.fixture
def recipe_file(recipe: dict[str, Any], tmp_path: Path) -> Path:
    file = tmp_path / "recipe.json"
    file.write_text(json.dumps(recipe))
    return file


@pytest.fixture
def space_file(tmp_path: Path) -> Path:
    file = tmp_path / "space.json"
    file.write_text('{"optimizer.lr": {"choices": [1e-9, 0.01]}}')
    return file


def test_a_sweep_prints_its_trials_and_a_table_with_the_best_first(
    command: Call, recipe_file: Path, space_file: Path, folder: Path
) -> None:
    done = command(recipe_file, space_file, "--sampler", "grid", "--set", "train.epochs=1")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"trial 0  completed  val/accuracy 0\.\d{4}  optimizer\.lr=\S+", lines[0])
    assert lines[2].split() == ["TRIAL", "STATE", "val/accuracy", "optimizer.lr"]
    values = [float(line.split()[2]) for line in lines[3:5]]
    assert values == sorted(values, reverse=True)
    assert lines[5] == f"best recipe: {folder / 'best_recipe.json'}"
    assert imgfw.check(folder / "best_recipe.json").recipe["train"]["epochs"] == 1


def test_a_wrong_path_ends_with_2(command: Call, recipe_file: Path, tmp_path: Path) -> None:
    (tmp_path / "space.json").write_text('{"optimizer.lrr": {"choices": [1]}}')
    done = command(recipe_file, tmp_path / "space.json")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: 1 problem in the recipe with values of the search space:")


def test_a_file_that_is_not_there_ends_with_2(command: Call, recipe_file: Path, tmp_path: Path) -> None:
    done = command(recipe_file, tmp_path / "none.json")
    assert done.exit_code == 2
    assert "Cannot read the search space" in done.stderr


def test_a_file_that_is_not_json_ends_with_2(command: Call, recipe_file: Path, tmp_path: Path) -> None:
    (tmp_path / "space.json").write_text("{")
    done = command(recipe_file, tmp_path / "space.json")
    assert done.exit_code == 2
    assert "is not JSON" in done.stderr


def test_missing_data_ends_with_3(command: Call, recipe_file: Path, space_file: Path, tmp_path: Path) -> None:
    data = json.dumps({"type": "image_folder", "root": str(tmp_path / "nowhere")})
    assert command(recipe_file, space_file, "--set", f"data={data}").exit_code == 3


def test_a_sweep_whose_trials_all_diverge_ends_with_5(
    command: Call, recipe_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "space.json").write_text('{"optimizer.lr": {"choices": [1e30]}}')
    done = command(recipe_file, tmp_path / "space.json", "--sampler", "grid")
    assert done.exit_code == 5
    assert "error: No trial succeeded: " in done.stderr


def test_ctrl_c_ends_with_130_after_the_table(
    command: Call, recipe_file: Path, space_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(imgfw, "run", interrupt)
    done = command(recipe_file, space_file)
    assert done.exit_code == 130
    assert "interrupted" in done.stdout
    assert "the study is saved" in done.stderr


def test_the_files_beside_the_readme_and_those_in_it_make_sweeps(
    command: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (HERE / "README.md").read_text()
    blocks = dict(re.findall(r"```(json recipe|json space|python)\n(.*?)```", text, re.DOTALL))
    (tmp_path / "recipe.json").write_text(blocks["json recipe"])
    (tmp_path / "space.json").write_text(blocks["json space"])
    quick = ("--trials", 1, "--set", "train.epochs=1", "--set", "loader.batch_size=300")
    done = command("recipe.json", "space.json", *quick)
    assert done.exit_code == 0, done.output
    done = command(HERE / "recipe.json", HERE / "space.json", "--study", "beside", *quick)
    assert done.exit_code == 0, done.output
    exec(compile(blocks["python"], "README.md", "exec"), {})
    assert (tmp_path / "runs" / "rates" / "best_recipe.json").exists()


def test_listing_the_plugin_imports_neither_optuna_nor_torch() -> None:
    code = (
        "import sys, imgfw_plugin_optuna\n"
        "print([name for name in ('torch', 'optuna', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
