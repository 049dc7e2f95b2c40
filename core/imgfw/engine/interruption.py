"""Signals: a flag that every loop looks at, so that a run ends where its state can be saved."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from imgfw.engine import distributed


class Interruption:
    """Whether the run was asked to stop. The handler only sets a number; the second SIGINT stops at once."""

    def __init__(self) -> None:
        self.signal_number = 0

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Note a signal."""
        if self.signal_number and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal_number = number

    def requested(self) -> bool:
        """Whether any process got a signal; all processes answer alike, so all of them must ask."""
        self.signal_number = distributed.any_process(self.signal_number)
        return self.signal_number != 0


@contextmanager
def watch_signals() -> Iterator[Interruption]:
    """Take SIGINT and SIGTERM as requests to stop while the context lasts."""
    interruption = Interruption()
    previous = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, interruption.handle)
    except ValueError:
        pass  # not in the main thread: signals are the caller's
    try:
        yield interruption
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def ignore_signals_in_worker(worker: int) -> None:
    """A data worker leaves signals to the process that it works for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
