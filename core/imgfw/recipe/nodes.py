"""The components of a recipe, found and validated: a tree, since a setting may hold components."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from imgfw.catalog.provider import Provider
from imgfw.recipe.schema import Section


@dataclass(frozen=True)
class Node:
    """A component of a recipe, found and validated.

    Attributes:
        provider: what builds it.
        settings: its validated settings, as the provider's static functions get them.
        values: the same by name, with components as nodes and paths made absolute: what the factory gets.
        core: the core's own settings that stand with it.
        path: where it stands in the recipe.
    """

    provider: Provider
    settings: BaseModel
    values: Mapping[str, Any]
    core: Section | None
    path: str

    def to_json(self) -> dict[str, Any]:
        """The component as a recipe writes it, with its qualified name and every setting."""
        core = self.core.model_dump(mode="json") if self.core is not None else {}
        return {
            "type": self.provider.qualified,
            **{key: _to_json(v) for key, v in self.values.items()},
            **core,
        }


def _to_json(value: Any) -> Any:
    if isinstance(value, Node):
        return value.to_json()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, BaseModel):
        return {key: _to_json(getattr(value, key)) for key in type(value).model_fields}
    if isinstance(value, Mapping):
        return {key: _to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_to_json(item) for item in value]
    return value


def map_nodes(value: Any, build: Callable[[Node], Any]) -> Any:
    """Replace every node within a value by what `build` makes of it."""
    if isinstance(value, Node):
        return build(value)
    if isinstance(value, BaseModel):
        fields = {name: map_nodes(getattr(value, name), build) for name in type(value).model_fields}
        return value.model_copy(update=fields)
    if isinstance(value, list | tuple):
        return type(value)(map_nodes(item, build) for item in value)
    if isinstance(value, Mapping):
        return {key: map_nodes(item, build) for key, item in value.items()}
    return value
