"""Stopping after some time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

from imgfw import Callback, Gt, about

if TYPE_CHECKING:
    from imgfw import Run


@about(example={"minutes": 55})
class TimeLimit(Callback):
    """Stops the training some minutes after it began.

    Made for machines that are lent for a fixed time: the run is saved when it stops, and a resumed run has
    the whole time again. Looks after every step; evaluating and saving come on top.

    Args:
        minutes: how long the training may take.
    """

    def __init__(self, *, minutes: Annotated[float, Gt(0)]) -> None:
        self._minutes = minutes
        self._deadline = 0.0

    def on_run_start(self, run: Run) -> None:
        """Start the clock."""
        self._deadline = time.monotonic() + 60 * self._minutes

    def on_step_end(self, run: Run) -> None:
        """Look at the clock."""
        if time.monotonic() >= self._deadline:
            run.stop = f"time limit: {self._minutes:g} minutes of training are over"
