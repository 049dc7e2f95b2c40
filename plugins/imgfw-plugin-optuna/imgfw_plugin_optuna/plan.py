"""A recipe and a search space that fit each other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imgfw

from imgfw_plugin_optuna.space import Space

if TYPE_CHECKING:
    import optuna

Recipe = str | Path | Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """What is searched.

    Attributes:
        recipe: the recipe.
        overrides: changes to it that all trials have.
        space: what varies.
        report: what imgfw says of the recipe itself.
    """

    recipe: Recipe
    overrides: tuple[str, ...]
    space: Space
    report: imgfw.RecipeReport

    @property
    def identity(self) -> dict[str, Any]:
        """What must not change between the trials of one study."""
        recipe = {key: value for key, value in self.report.recipe.items() if key != "resolved_with"}
        space = {path: _as_data(parameter) for path, parameter in self.space.items()}
        return json.loads(json.dumps({"recipe": recipe, "space": space}))

    def suggest(self, trial: optuna.Trial) -> list[str]:
        """Let a trial choose; return all changes to the recipe."""
        chosen = [f"{path}={parameter.suggest(trial, path)}" for path, parameter in self.space.items()]
        return [*self.overrides, *chosen]


def _as_data(parameter: Any) -> dict[str, Any]:
    return {key: value for key, value in vars(parameter).items() if value is not None}


def make_plan(recipe: Recipe, space: Space, overrides: Sequence[str]) -> Plan:
    """Check a recipe with the ends of every range and with every choice.

    Raises:
        RecipeError: the recipe is wrong, or is with a value of the space; all problems.
        UsageError: a value of the space changes what the best trial would be judged by.
    """
    report = imgfw.check(recipe, overrides=overrides)
    problems: dict[str, Any] = {}
    source = "the recipe with values of the search space"
    for words in _corners(space):
        try:
            other = imgfw.check(recipe, overrides=[*overrides, *words])
        except imgfw.RecipeError as error:
            problems |= {str(problem): problem for problem in error.problems}
            continue
        if (other.monitor, other.mode) != (report.monitor, report.mode):
            raise imgfw.UsageError(
                f"With {' '.join(words)} the best trial would be the one with the {other.mode}imum of "
                f"{other.monitor}, otherwise the {report.mode}imum of {report.monitor}.",
                "Set checkpoint.monitor and checkpoint.mode in the recipe.",
            )
    if problems:
        raise imgfw.RecipeError(list(problems.values()), source)
    return Plan(recipe, tuple(overrides), space, report)


def _corners(space: Space) -> Iterator[list[str]]:
    """Changes to the recipe: all first values, and each other value among first ones."""
    first = {path: parameter.ends()[0] for path, parameter in space.items()}
    yield _words(first)
    for path, parameter in space.items():
        for text in parameter.ends()[1:]:
            yield _words(first | {path: text})


def _words(values: Mapping[str, str]) -> list[str]:
    return [f"{path}={text}" for path, text in values.items()]
