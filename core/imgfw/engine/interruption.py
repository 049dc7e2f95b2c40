"""Signals: a flag that every loop looks at, so that a run ends where its state can be saved."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from imgfw.contract.errors import InterruptedRun
from imgfw.engine import distributed

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)
)
"""What asks a run to stop: Ctrl-C, the system that shuts down, and a scheduler that needs the machine."""


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
        first = self.signal_number == 0
        self.signal_number = self.signal_number or number
        if self.at_once if first else number == signal.SIGINT:
            raise KeyboardInterrupt

    def requested(self) -> bool:
        """Whether any process got a signal; all processes answer alike, so all of them must ask."""
        self.signal_number = distributed.any_process(self.signal_number)
        return self.signal_number != 0


@contextmanager
def watch_signals(interruption: Interruption) -> Iterator[None]:
    """Let the stop signals ask to stop while the context lasts."""
    previous = {}
    try:
        for number in STOP_SIGNALS:
            previous[number] = signal.signal(number, interruption.handle)
    except ValueError:
        pass  # not in the main thread: signals are the caller's
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


STOPPED_BEFORE_GOING_ON = "Stopped before the run went on; it is as it was."
"""Of a run that was to be resumed."""


@contextmanager
def stoppable(interruption: Interruption, what: str = "Stopped before the first step.") -> Iterator[None]:
    """Let a signal end at once what has nothing to save.

    Raises:
        InterruptedRun: one came; its message is `what`.
    """
    try:
        with watch_signals(interruption):
            yield
    except KeyboardInterrupt:
        raise InterruptedRun(what, "", interruption.signal_number or signal.SIGINT) from None


def ignore_signals_in_worker(worker: int) -> None:
    """A data worker leaves signals to the process that it works for, which may need it until it has saved.

    Schedulers, terminals and `kill` often signal all processes of a run at once. Only the SIGTERM with which
    that process ends its workers is obeyed.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if not hasattr(signal, "sigwaitinfo"):  # macOS cannot tell who sent a signal
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # one that is ignored could not be waited for
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_obey_parent, args=(os.getppid(),), daemon=True).start()


def _obey_parent(parent: int) -> None:
    """Wait for the parent's SIGTERM, and end this process without a word."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)
