"""What no recipe may hold, whoever reads it: everything here is refused before a component sees it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from imgfw.catalog.problems import MAX_PROBLEMS, join_path
from imgfw.contract.errors import Problem, RecipeError
from imgfw.recipe.parsing import MAX_DEPTH

MAX_VALUES = 100_000
"""Values in a recipe, objects and lists among them."""

MAX_TEXT = 4096
"""Characters of a string: as long as a path may be."""

MAX_KEY = 200
"""Characters of a key."""

_NO_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters save tab and newline, and lone surrogates, which are no text."""


def check_limits(data: Any, label: str) -> None:
    """Refuse a recipe that is too deep or too long, or holds numbers or strings that no component could use.

    Args:
        data: the recipe as JSON data.
        label: what to call it in messages.

    Raises:
        RecipeError: naming every such value, and where it stands.
    """
    problems = list(islice(_problems(data), MAX_PROBLEMS))
    if problems:
        raise RecipeError(problems, label)


Trail = tuple["Trail", str | int] | None
"""Where a value stands: its parent's trail, and its key. A path is written only when a problem has it."""


def _problems(data: Any) -> Iterator[Problem]:
    count = 0
    waiting: list[tuple[Any, Trail, int]] = [(data, None, 0)]
    while waiting:
        value, trail, depth = waiting.pop()
        count += 1
        if depth > MAX_DEPTH:
            yield Problem("", f"is nested deeper than {MAX_DEPTH} levels.")
            return
        if count + len(waiting) > MAX_VALUES:
            yield Problem("", f"holds more than {MAX_VALUES:,} values.")
            return
        if isinstance(value, dict):
            for key in value:
                if reason := _wrong_text(key, MAX_KEY):
                    yield Problem(_path(trail), f"the key {_short(key)} {reason}.")
            waiting += [(item, (trail, key), depth + 1) for key, item in reversed(value.items())]
        elif isinstance(value, list):
            waiting += [(item, (trail, n), depth + 1) for n, item in reversed([*enumerate(value)])]
        elif reason := _wrong_text(value, MAX_TEXT) if isinstance(value, str) else _wrong_number(value):
            yield Problem(_path(trail), f"{_short(value)} {reason}.")


def _path(trail: Trail) -> str:
    steps: list[str | int] = []
    while trail is not None:
        trail, step = trail
        steps.append(_short(step).strip('"') if isinstance(step, str) else step)
    return join_path("", reversed(steps))


def _wrong_text(text: str, longest: int) -> str:
    if len(text) > longest:
        return f"has {len(text):,} characters, more than {longest:,}"
    found = _NO_TEXT.search(text)
    return f"holds the character U+{ord(found[0]):04X}, which is no text" if found else ""


def _wrong_number(value: Any) -> str:
    """Why no component could use a number: integers have 64 bits there."""
    if isinstance(value, float) and not math.isfinite(value):
        return "is not a number that a recipe may hold"
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return "is an integer of more than 64 bits"
    return ""


def _short(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:40]}…"
