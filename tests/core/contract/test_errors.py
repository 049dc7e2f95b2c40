"""Errors are sentences with a way out, and carry their exit code."""

from __future__ import annotations

import pickle

import pytest
from imgfw import (
    BadSampleError,
    DataError,
    DivergedError,
    InterruptedRun,
    PluginError,
    RecipeError,
    UsageError,
)
from imgfw.contract.errors import Problem


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RecipeError([]), 2),
        (UsageError("x"), 2),
        (DataError("x"), 3),
        (BadSampleError("a.png", "is empty"), 3),
        (PluginError("x"), 4),
        (DivergedError("x"), 5),
        (InterruptedRun("x", "y", 2), 130),
        (InterruptedRun("x", "y", 15), 143),
    ],
)
def test_every_error_has_its_exit_code(error: Exception, code: int) -> None:
    assert error.exit_code == code  # type: ignore[attr-defined]


def test_the_hint_follows_the_message() -> None:
    assert str(PluginError("It is broken.", "Mend it.")) == "It is broken. Mend it."


def test_a_recipe_error_lists_every_problem_with_its_place() -> None:
    problems = [
        Problem("loss.terms[0].smoth", "unknown setting.", 'Did you mean "smooth"?', "imgfw/dice"),
        Problem("", "a recipe is an object with keys."),
    ]
    assert str(RecipeError(problems, "my.json")) == (
        "2 problems in my.json:\n"
        '  loss.terms[0].smoth (imgfw/dice): unknown setting. Did you mean "smooth"?\n'
        "  recipe: a recipe is an object with keys."
    )


def test_one_problem_is_not_called_problems() -> None:
    assert str(RecipeError([Problem("seed", "is required.")])).startswith("1 problem in the recipe:")


def test_a_bad_sample_survives_the_way_from_a_worker_process() -> None:
    error = pickle.loads(pickle.dumps(BadSampleError("a.png", "is empty")))
    assert (error.source, error.reason, str(error)) == ("a.png", "is empty", "a.png: is empty.")
