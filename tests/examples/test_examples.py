"""Every recipe of examples/ passes `check`, and those that need no download run in a short form."""

from __future__ import annotations

import json
from pathlib import Path

import imgfw
import pytest
from imgfw.catalog.catalog import Catalog
from imgfw.catalog.selection import Selection
from imgfw.recipe.checking import check
from imgfw.recipe.reading import read_recipe

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
RECIPES = sorted(EXAMPLES.glob("*.json"))

SHORT = {
    "digits.json": ["train.epochs=1"],
    "digits_several_losses.json": ["train.epochs=2"],
    "local_model.json": ["train.epochs=1"],
    "shapes_segmentation.json": [
        "train.epochs=1",
        "loader.batch_size=4",
        "data.image_size=32",
        "data.num_train=8",
        "data.num_val=4",
        "data.num_test=4",
    ],
    "shapes_detection.json": [
        "train.epochs=1",
        "loader.batch_size=2",
        "data.image_size=64",
        "data.num_train=4",
        "data.num_val=2",
        "data.num_test=2",
    ],
}
"""The recipes that need no files, and what makes their runs short."""


def catalog() -> Catalog:
    """The built-ins only: no example may need what happens to be installed."""
    return Catalog(Selection(only=frozenset()))


@pytest.mark.parametrize("file", RECIPES, ids=[file.name for file in RECIPES])
def test_it_is_right(file: Path) -> None:
    checked = check(read_recipe(file), catalog())
    assert [str(warning) for warning in checked.warnings] == []


@pytest.mark.parametrize("name", SHORT)
def test_it_runs(name: str, tmp_path: Path) -> None:
    overrides = [*SHORT[name], f"output_dir={json.dumps(str(tmp_path))}", 'train.device="cpu"']
    result = imgfw.run(EXAMPLES / name, overrides=overrides, catalog=catalog(), quiet=True)
    assert result.status == "completed"
    assert result.summary["test"]
    assert (result.folder / "checkpoints" / "best" / "model.safetensors").is_file()


@pytest.mark.slow
def test_the_quickstart_reaches_98_percent(tmp_path: Path) -> None:
    overrides = [f"output_dir={json.dumps(str(tmp_path))}", 'train.device="cpu"']
    result = imgfw.run(EXAMPLES / "digits.json", overrides=overrides, catalog=catalog(), quiet=True)
    assert result.summary["test"]["test/accuracy"] >= 0.98


def test_the_recipe_of_the_design_is_shipped_as_it_stands() -> None:
    recipe = json.loads((EXAMPLES / "cifar10_resnet50.json").read_text())
    train = [item if isinstance(item, str) else item["type"] for item in recipe["transforms"]["train"]]
    assert train == [
        "random_horizontal_flip",
        "random_vertical_flip",
        "random_rotation",
        "random_resized_crop",
        "normalize",
    ]
    assert (recipe["model"]["type"], recipe["optimizer"]["type"]) == ("resnet50", "adam")


def test_every_example_is_in_the_list_of_examples() -> None:
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [file.name for file in RECIPES if f"({file.name})" not in text] == []
