"""What a run shows while it works: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from imgfw.contract.terminal import printable

_REFRESH_SECONDS = 0.1


class Console:
    """Prints plain lines; a quiet one prints nothing."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet

    def line(self, text: str) -> None:
        """Print a line."""
        if not self.quiet:
            print(printable(text), flush=True)

    def begin(self, label: str, done: int, total: int) -> None:
        """A stretch of work begins, `done` of `total` steps of it done already."""

    def advance(self, done: int) -> None:
        """So many steps of the stretch are done; called at every step, so it must cost nothing."""

    def progress(self, text: str) -> None:
        """Say how the work goes: a line here, beside the bar on a terminal."""
        self.line(text)

    def end(self) -> None:
        """The stretch of work is over."""


class TerminalConsole(Console):
    """Shows a progress bar with the time left, through rich."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console as RichConsole
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._rich = RichConsole(highlight=False)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("<"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}"),
        )
        self._make: Any = lambda: Progress(*columns, console=self._rich, transient=True, auto_refresh=False)
        self._bar: Any = None
        self._task: Any = None
        self._next_refresh = 0.0

    def line(self, text: str) -> None:
        """Print a line above the bar."""
        (self._bar.console if self._bar is not None else self._rich).print(
            printable(text), markup=False, soft_wrap=True
        )

    def begin(self, label: str, done: int, total: int) -> None:
        """Show a bar."""
        self.end()
        self._bar = self._make()
        self._task = self._bar.add_task(label, total=total, completed=done, text="")
        self._bar.start()

    def advance(self, done: int) -> None:
        """Move the bar, at most ten times a second."""
        now = time.monotonic()
        if self._bar is not None and now >= self._next_refresh:
            self._next_refresh = now + _REFRESH_SECONDS
            self._bar.update(self._task, completed=done, refresh=True)

    def progress(self, text: str) -> None:
        """Show a text beside the bar."""
        if self._bar is not None:
            self._bar.update(self._task, text=printable(text))

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class _LogHandler(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.line(record.getMessage())


@contextmanager
def show_log(console: Console) -> Iterator[None]:
    """Print what components log under `imgfw` (a download, say) while the context lasts.

    On a quiet console nothing is changed: Python then prints warnings on stderr, and nothing else.
    """
    if console.quiet:
        yield
        return
    logger, handler = logging.getLogger("imgfw"), _LogHandler(console)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


def make_console(quiet: bool) -> Console:
    """The console for where the output goes."""
    if not quiet and sys.stdout.isatty():
        return TerminalConsole()
    return Console(quiet)
