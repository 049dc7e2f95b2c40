"""Ten broken recipes, each with the sentence that its author gets: what is wrong, where, and what to do.

With the real built-ins, word for word: these sentences are how imgfw speaks.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest
from imgfw import RecipeError
from imgfw.catalog.catalog import Catalog
from imgfw.catalog.selection import Selection
from imgfw.recipe.checking import check
from imgfw.recipe.reading import read_recipe

GOOD: dict[str, Any] = {
    "version": 1,
    "data": {"type": "shapes", "image_size": 64},
    "loader": {"batch_size": 32},
    "transforms": {"train": ["random_horizontal_flip", "normalize"], "eval": ["normalize"]},
    "model": "resnet18",
    "loss": "cross_entropy",
    "optimizer": {"type": "adam", "lr": 0.001},
    "metrics": ["accuracy"],
    "callbacks": [{"type": "early_stopping", "monitor": "val/accuracy"}],
    "train": {"epochs": 3},
}

BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "a misspelt name": (
        {"model": "mobilenetv2"},
        'model: there is no model "mobilenetv2". Did you mean "mobilenet_v2"?',
    ),
    "a misspelt setting deep inside": (
        {
            "data": {"type": "shapes", "task": "segmentation"},
            "model": "unet",
            "loss": {"type": "weighted_sum", "terms": ["cross_entropy", {"type": "dice", "smoth": 1}]},
            "metrics": ["mean_iou"],
            "callbacks": [],
        },
        'loss.terms[1].smoth (imgfw/dice): unknown setting. Did you mean "smooth"?',
    ),
    "a setting in the wrong place": (
        {"batch_size": 64},
        'batch_size: unknown setting. It belongs in "loader.batch_size".',
    ),
    "a number written as a string": (
        {"optimizer": {"type": "adam", "lr": "0.001"}},
        'optimizer.lr (imgfw/adam): should be a number, not "0.001".',
    ),
    "a value that is none of those there are": (
        {"transforms": {"train": [{"type": "normalize", "stats": "image_net"}]}},
        "transforms.train[0].stats (imgfw/normalize): "
        'should be "imagenet", "cifar10", "cifar100", "mnist", "fashion_mnist", "half" or "measured", '
        'not "image_net".',
    ),
    "a setting left out": (
        {"data": "image_folder"},
        "data.root (imgfw/image_folder): is required. See: imgfw describe datasets image_folder",
    ),
    "a monitor that nobody measures": (
        {"callbacks": [{"type": "early_stopping", "monitor": "val/acc"}]},
        'callbacks[0].monitor (imgfw/early_stopping): nothing named "val/acc" is measured. '
        'Did you mean "val/accuracy"?',
    ),
    "a loss for another task": (
        {"loss": "dice"},
        "loss (imgfw/dice): the loss dice is for segmentation, but the task is classification. "
        "See: imgfw list losses",
    ),
    "images too small for the model": (
        {"data": "digits", "model": "vgg16"},
        "transforms (imgfw/vgg16): images are 8x8 pixels, but vgg16 needs at least 32x32. "
        'Add {"type": "resize", "size": [32, 32]}, or choose another model.',
    ),
    "two lengths": (
        {"train": {"epochs": 3, "steps": 1000}},
        'train: "epochs" and "steps" exclude each other. Set one to null.',
    ),
}


def problems_of(recipe: dict[str, Any]) -> list[str]:
    try:
        check(read_recipe(recipe), Catalog(Selection(only=frozenset())))
    except RecipeError as error:
        return [str(problem) for problem in error.problems]
    return []


def test_the_recipe_that_the_others_come_from_is_right() -> None:
    assert problems_of(GOOD) == []


@pytest.mark.parametrize(("change", "sentence"), BROKEN.values(), ids=BROKEN)
def test_a_broken_recipe_is_answered_with_its_sentence(change: dict[str, Any], sentence: str) -> None:
    assert problems_of(GOOD | change)[0] == sentence


def test_a_change_that_is_broken_in_one_way_gets_one_sentence() -> None:
    counts = {name: len(problems_of(GOOD | change)) for name, (change, _) in BROKEN.items()}
    assert counts == dict.fromkeys(BROKEN, 1)


def test_all_that_is_wrong_is_said_at_once() -> None:
    together = copy.deepcopy(GOOD)
    names = ("a misspelt name", "a number written as a string", "a setting in the wrong place", "two lengths")
    for name in names:
        together |= BROKEN[name][0]
    assert sorted(problems_of(together)) == sorted(BROKEN[name][1] for name in names)
