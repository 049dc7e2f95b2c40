"""Signals: a flag that every loop looks at, so that a run ends where its state can be saved."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from imgfw.engine import distributed


class Interruption:
    """Whether the run was asked to stop. The handler only sets a number; the second SIGINT stops at once.

    Attributes:
        signal_number: the signal that came; 0: none.
        at_once: whether the first signal stops at once, because there is nothing to save yet.
    """

    def __init__(self) -> None:
        self.signal_number = 0
        self.at_once = True

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Note a signal."""
        again = self.signal_number and number == signal.SIGINT
        self.signal_number = self.signal_number or number
        if again or self.at_once:
            raise KeyboardInterrupt

    def requested(self) -> bool:
        """Whether any process got a signal; all processes answer alike, so all of them must ask."""
        self.signal_number = distributed.any_process(self.signal_number)
        return self.signal_number != 0


@contextmanager
def watch_signals(interruption: Interruption) -> Iterator[None]:
    """Let SIGINT and SIGTERM ask to stop while the context lasts."""
    previous = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, interruption.handle)
    except ValueError:
        pass  # not in the main thread: signals are the caller's
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def ignore_signals_in_worker(worker: int) -> None:
    """A data worker leaves signals to the process that it works for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
