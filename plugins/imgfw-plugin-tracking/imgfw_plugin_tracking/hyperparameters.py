"""A recipe as the flat list of values that trackers compare runs by."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Value = str | int | float | bool


def flatten(recipe: Mapping[str, Any]) -> dict[str, Value]:
    """The values of a recipe by their paths, as `--set` writes them: `transforms.train.0.type`.

    Values that are null are left out. A list of plain values is one value, its JSON text.
    """
    return dict(_walk("", recipe))


def _walk(path: str, value: Any) -> Iterator[tuple[str, Value]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _walk(f"{path}.{key}" if path else key, item)
    elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        for number, item in enumerate(value):
            yield from _walk(f"{path}.{number}", item)
    elif isinstance(value, list):
        yield path, json.dumps(value)
    elif value is not None:
        yield path, value
