"""A run is trained by one process at a time, or by the processes of one command."""

from __future__ import annotations

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from imgfw.contract.errors import UsageError
from imgfw.engine import distributed
from imgfw.engine.saving.files import writing

NAME = ".lock"

_LONGEST = 200
"""Bytes of the file that are read."""


@contextmanager
def only_trainer(folder: Path) -> Iterator[None]:
    """Hold a run's lock, in the main process; every process must enter.

    The file names its holder while it is held; afterwards it holds again what it held before.

    Raises:
        UsageError: another process holds it.
        ImgfwError: the folder cannot be written.
    """
    # A lock of lockf belongs to the process: it ends with it, however that ends. One of flock would also be
    # held by its forked workers, which may outlive it for some seconds.
    path, descriptor = folder / NAME, None
    before: bytes | None = None
    if distributed.is_main():
        with writing(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        held = os.pread(descriptor, _LONGEST, 0) if descriptor is not None else b""
        holder = distributed.share_text(_take(path, descriptor) if descriptor is not None else "")
        if holder:
            raise UsageError(
                f"{folder} is being trained by {holder}.", "Wait for it, or stop it with SIGTERM."
            )
        before = held
        yield
    finally:
        if descriptor is not None:
            if before is not None:
                with suppress(OSError):  # a stale name does no harm: the lock itself is what counts
                    _write(descriptor, before)
            os.close(descriptor)


def _take(path: Path, descriptor: int) -> str:
    """Take the lock; return who holds it, if that is another."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return os.pread(descriptor, _LONGEST, 0).decode(errors="replace").strip() or "another process"
    except OSError:  # a file system without locks protects nothing, but can be trained on
        return ""
    with writing(path):
        _write(descriptor, f"process {os.getpid()} on {platform.node()}\n".encode())
    return ""


def _write(descriptor: int, content: bytes) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, content, 0)
