"""The moments at which a run's loops look at the interruption flag, and signals sent at them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from unittest import mock

from imgfw.engine.interruption import Interruption


@contextmanager
def at_each_look(call: Callable[[str], None]) -> Iterator[None]:
    """Call a function with the phase of the run just before any loop looks at the flag."""
    look = Interruption.requested

    def requested(self: Interruption) -> bool:
        call(phase_of(sys._getframe(1)))
        return look(self)

    with mock.patch.object(Interruption, "requested", requested):
        yield


@contextmanager
def signal_at_look(number: int, signal_number: int) -> Iterator[list[str]]:
    """Send this process a signal just before the n-th look, from 1; yields the phases of all looks so far."""
    seen: list[str] = []

    def call(phase: str) -> None:
        seen.append(phase)
        if len(seen) == number:
            os.kill(os.getpid(), signal_number)

    with at_each_look(call):
        yield seen


def phase_of(frame: FrameType) -> str:
    """What the run does in a function that looks at the flag."""
    function = frame.f_code.co_name
    if function == "evaluate":
        return {"val": "validation", "test": "test"}[frame.f_locals["split"]]
    if function == "_train_epoch":
        done, last = frame.f_locals["step"] + 1, frame.f_locals["last_step"]
        return "last step of an epoch" if done == last else "training step"
    return function.strip("_").replace("_", " ")
