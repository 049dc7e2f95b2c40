"""Search spaces that are wrong, by themselves or for the recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imgfw
import pytest
from imgfw_plugin_optuna import sweep

WRONG: dict[str, tuple[Any, str]] = {
    "no object": (3, 'x: should be {"low": …, "high": …} or {"choices": […]}.'),
    "no choice": ({"choices": []}, 'x: "choices" should be a list of values.'),
    "choices and more": ({"choices": [1], "low": 1}, 'x: "choices" stands alone.'),
    "twice": ({"choices": [[1], [1]]}, "x: has a choice twice."),
    "alike": ({"choices": [1, True]}, "x: has two choices that Optuna cannot tell apart, as 1 and true."),
    "unknown key": (
        {"low": 1, "hihg": 2},
        'x: "hihg" is not known; a range has "low", "high", "log" and "step".',
    ),
    "no end": ({"low": 1}, 'x: "low" and "high" should be numbers, and "step" too where there is one.'),
    "text": (
        {"low": 1, "high": "2"},
        'x: "low" and "high" should be numbers, and "step" too where there is one.',
    ),
    "empty": ({"low": 2, "high": 2}, 'x: "low" should be less than "high".'),
    "no flag": ({"low": 1, "high": 2, "log": 1}, 'x: "log" should be true or false.'),
    "log of zero": ({"low": 0, "high": 1, "log": True}, "x: a logarithmic range should begin above 0."),
    "log and step": (
        {"low": 1, "high": 9, "log": True, "step": 2},
        'x: "log" and "step" exclude each other.',
    ),
    "no step": ({"low": 1, "high": 9, "step": 0}, 'x: "step" should be greater than 0.'),
}


@pytest.mark.parametrize(("given", "sentence"), WRONG.values(), ids=WRONG)
def test_a_wrong_parameter_is_refused_with_its_path(
    given: Any, sentence: str, recipe: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(imgfw.UsageError) as caught:
        sweep(recipe, {"x": given, "name": {"choices": ["a"]}}, quiet=True)
    assert str(caught.value).splitlines() == [
        "The search space the search space is wrong:",
        f"  {sentence}",
        "  name: each trial has its own; it cannot be searched.",
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("space", [{}, []])
def test_an_empty_space_is_refused(space: Any, recipe: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "space.json").write_text(str(space))
    with pytest.raises(imgfw.UsageError, match="a search space is an object of paths in the recipe"):
        sweep(recipe, tmp_path / "space.json", quiet=True)


def test_a_path_that_the_recipe_does_not_have_is_refused_by_imgfws_own_check(
    recipe: dict[str, Any], tmp_path: Path
) -> None:
    space = {"optimizer.lrr": {"low": 1.0, "high": 2.0}, "model.width": {"low": -1, "high": 4}}
    with pytest.raises(imgfw.RecipeError) as caught:
        sweep(recipe, space, quiet=True)
    assert [problem.path for problem in caught.value.problems] == ["model.width", "optimizer.lrr"]
    assert 'Did you mean "lr"?' in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_choice_that_changes_what_is_best_is_refused(recipe: dict[str, Any]) -> None:
    space = {"checkpoint.monitor": {"choices": ["val/accuracy", "val/loss"]}}
    with pytest.raises(
        imgfw.UsageError, match=r'With checkpoint\.monitor="val/loss" the best trial would be'
    ):
        sweep(recipe, space, quiet=True)


def test_a_grid_needs_ranges_that_have_an_end(recipe: dict[str, Any]) -> None:
    with pytest.raises(imgfw.UsageError, match=r"A grid has no place for all of optimizer\.lr"):
        sweep(recipe, {"optimizer.lr": {"low": 0.01, "high": 0.1}}, sampler="grid", quiet=True)
