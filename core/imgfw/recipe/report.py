"""What a recipe comes to, for programs: the same checks as `imgfw check`, without reading data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgfw.catalog.catalog import Catalog
from imgfw.contract.about import Mode
from imgfw.recipe import checking
from imgfw.recipe.reading import read_recipe


@dataclass(frozen=True)
class RecipeReport:
    """A recipe that can be run, as far as can be told without data.

    Attributes:
        recipe: the resolved recipe: every setting, qualified names, absolute paths. It is a recipe itself.
        warnings: what is allowed but hardly meant.
        monitor: what `best` goes by, as `val/accuracy`.
        mode: whether `max` or `min` of it is better.
        metrics: everything that the run will measure and that may be monitored, and which way is better.
    """

    recipe: dict[str, Any]
    warnings: tuple[str, ...]
    monitor: str
    mode: Mode
    metrics: dict[str, Mode]


def check(
    recipe: str | Path | Mapping[str, Any],
    *,
    overrides: Sequence[str] = (),
    catalog: Catalog | None = None,
) -> RecipeReport:
    """Check a recipe as `imgfw check` does; no data is read, and nothing is written.

    Args:
        recipe: a recipe file, or its data as a dict.
        overrides: changes, as `optimizer.lr=0.01`.
        catalog: the plugins to use; by default those installed.

    Raises:
        RecipeError: the recipe is wrong; everything that is wrong with it.
        PluginError: a plugin that the recipe lists is missing or broken.
        UsageError: there is no such file, or an override is malformed.
    """
    checked = checking.check(read_recipe(recipe, overrides), catalog or Catalog())
    monitor, mode = checking.aim_of(checked.recipe)
    return RecipeReport(
        recipe=checked.recipe.to_json(),
        warnings=tuple(map(str, checked.warnings)),
        monitor=monitor,
        mode=mode,
        metrics=checking.reported_metrics(checked.recipe),
    )
