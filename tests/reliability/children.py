"""Real processes that run the command: forked from this one, which has imported torch already."""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from imgfw.cli.application import application

from .looks import at_each_look
from .operations import watch_operations

_PHASE_BYTES = 200
START = "start"


class Child:
    """A forked process that runs the command line.

    Args:
        words: the command line after `imgfw`.
        run: the folder of the run, whose file operations are watched.
        at_point: called in the child with the phase at each point: before each file operation, and before
            each look at the interruption flag. It may do anything to the child.
        environment: variables that only the child has.
    """

    def __init__(
        self,
        words: Sequence[str],
        run: Path,
        at_point: Callable[[str], None] | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._phase = mmap.mmap(-1, _PHASE_BYTES)
        self._said = b""
        self._printed, prints_to = os.pipe()  # not a file: limits and full disks are for the run's own
        os.set_blocking(self._printed, False)
        sys.stdout.flush()
        sys.stderr.flush()
        self._pid = os.fork()
        if not self._pid:
            try:
                os.environ.update(environment)
                self._become(words, run, prints_to, at_point)
            finally:
                os._exit(70)
        os.close(prints_to)

    def _become(
        self, words: Sequence[str], run: Path, prints_to: int, at_point: Callable[[str], None] | None
    ) -> None:
        """Be the command's process, to its end."""
        _print_to(prints_to)
        gc.freeze()  # what the parent left behind is not this process's to clean up

        def reached(phase: str) -> None:
            self._note(phase)
            if at_point is not None:
                at_point(phase)

        watch_operations(run, reached)
        try:
            with at_each_look(reached):
                code = _command(words)
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)

    def _note(self, phase: str) -> None:
        self._phase[:] = phase.encode()[:_PHASE_BYTES].ljust(_PHASE_BYTES, b"\0")

    @property
    def phase(self) -> str:
        """The last point that the child reached; `start` before the first."""
        return self._phase[:].rstrip(b"\0").decode() or START

    def wait_for_a_point(self, seconds: float = 60.0) -> None:
        """Wait until the child has reached its first point."""
        deadline = time.monotonic() + seconds
        while self.phase == START and time.monotonic() < deadline:
            time.sleep(0.002)

    @property
    def said(self) -> str:
        """What the child printed; told once it has ended."""
        return self._said.decode(errors="replace")

    def send(self, number: int) -> None:
        """Send a signal, unless the child is gone already."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, number)

    def wait(self, seconds: float = 120.0) -> int:
        """The exit code, minus the number of the signal that killed it; it gets so much time and no more."""
        deadline = time.monotonic() + seconds
        while (code := self._finished()) is None:
            if time.monotonic() > deadline:
                self.send(signal.SIGKILL)
                os.waitpid(self._pid, 0)
                raise TimeoutError(f"no end after {seconds:.0f} s, last seen at: {self.phase}")
            time.sleep(0.002)
        return code

    def _finished(self) -> int | None:
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        if not pid:
            return None
        with contextlib.suppress(BlockingIOError):  # its data workers may still hold the other end
            while more := os.read(self._printed, 2**16):
                self._said += more
        os.close(self._printed)
        return os.waitstatus_to_exitcode(status)


def _command(words: Sequence[str]) -> int:
    try:
        application.main(list(words), prog_name="imgfw")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _print_to(descriptor: int) -> None:
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)
    sys.stdout, sys.stderr = (os.fdopen(stream, "w", closefd=False) for stream in (1, 2))
