"""What earlier versions of imgfw saved, brought to the form of today, a format at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

State = dict[str, Any]


def _to_2(state: State) -> State:
    """Format 2 added the average of the weights, what the state was built from, and where it was made."""
    return {"average": None, "built_from": None, "environment": None, "logged": {}} | state


MIGRATIONS: Mapping[int, Callable[[State], State]] = {1: _to_2}
"""For each earlier format, what makes a run's state of the next one of it."""


def migrate(state: State, found: int, wanted: int) -> State:
    """Bring a run's state from the format that it was found in to the one that is wanted."""
    for number in range(found, wanted):
        state = MIGRATIONS[number](state)
    return state
