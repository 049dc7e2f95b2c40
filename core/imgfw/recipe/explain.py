"""Where each value of a resolved recipe comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from imgfw.catalog.problems import join_path
from imgfw.recipe.resolving import ResolvedRecipe


@dataclass(frozen=True)
class Origin:
    """One value and where it comes from: `recipe`, `--set`, `default` or `auto`."""

    path: str
    value: Any
    origin: str


def explain(resolved: ResolvedRecipe) -> list[Origin]:
    """List every value of a resolved recipe with its origin, in the recipe's order."""
    given = set(_given(resolved.source.raw, ""))
    return [
        Origin(path, value, _origin(path, resolved, given))
        for path, value in _leaves(resolved.to_json(), "")
        if not path.startswith("resolved_with")
    ]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, join_path(path, [key]))
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for number, item in enumerate(value):
            yield from _leaves(item, join_path(path, [number]))
    else:
        yield path, value


def _origin(path: str, resolved: ResolvedRecipe, given: set[str]) -> str:
    if resolved.source.is_overridden(path):
        return "--set"
    if path in resolved.auto:
        return "auto"
    return "recipe" if path in given else "default"


def _given(value: Any, path: str) -> Iterator[str]:
    """Every path that the recipe itself holds; a bare name counts as its `type`."""
    yield path
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _given(item, join_path(path, [key]))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _given(item, join_path(path, [number]))
    elif isinstance(value, str):
        yield join_path(path, ["type"])
