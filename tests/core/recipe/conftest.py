"""What the tests of recipes share: a catalog of stand-ins, and what is wrong with a recipe."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from imgfw import RecipeError
from imgfw.catalog.catalog import Catalog
from imgfw.catalog.discovery import Declaration
from imgfw.catalog.selection import Selection
from imgfw.recipe.checking import Checked, check
from imgfw.recipe.reading import read_recipe
from imgfw.recipe.resolving import ResolvedRecipe, resolve

PARTS = Path(__file__).with_name("parts.py")


@pytest.fixture
def catalog() -> Catalog:
    """A catalog whose built-ins are those of parts.py."""
    return Catalog(Selection(), [Declaration("imgfw", "0.1.0", file=PARTS)])


def recipe(**changes: Any) -> dict[str, Any]:
    """The smallest recipe, changed."""
    return {"data": "digits", "model": "small_net"} | changes


@pytest.fixture
def resolved(catalog: Catalog) -> Callable[..., ResolvedRecipe]:
    """Resolve the smallest recipe with changes."""
    return lambda *overrides, **changes: resolve(read_recipe(recipe(**changes), overrides), catalog)


@pytest.fixture
def checked(catalog: Catalog) -> Callable[..., Checked]:
    """Check the smallest recipe with changes."""
    return lambda *overrides, **changes: check(read_recipe(recipe(**changes), overrides), catalog)


@pytest.fixture
def problems(checked: Callable[..., Checked]) -> Callable[..., list[str]]:
    """What is wrong with the smallest recipe with changes."""

    def find(*overrides: str, **changes: Any) -> list[str]:
        try:
            checked(*overrides, **changes)
        except RecipeError as error:
            return [str(problem) for problem in error.problems]
        return []

    return find


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a recipe file into a folder of the test's own."""

    def write(content: Any, name: str = "recipe.json") -> Path:
        file = tmp_path / "recipes" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return file

    return write
