"""A run is trained by one process at a time, or by the processes of one command."""

from __future__ import annotations

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imgfw.contract.errors import UsageError
from imgfw.engine import distributed
from imgfw.engine.saving.files import writing

NAME = ".lock"


@contextmanager
def only_trainer(folder: Path) -> Iterator[None]:
    """Hold a run's lock, in the main process; every process must enter.

    Raises:
        UsageError: another process holds it.
        ImgfwError: the folder cannot be written.
    """
    # A lock of lockf belongs to the process: it ends with it, however that ends. One of flock would also be
    # held by its forked workers, which may outlive it for some seconds.
    path, descriptor = folder / NAME, None
    if distributed.is_main():
        with writing(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        holder = distributed.share_text(_take(path, descriptor) if descriptor is not None else "")
        if holder:
            raise UsageError(
                f"{folder} is being trained by {holder}.", "Wait for it, or stop it with SIGTERM."
            )
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _take(path: Path, descriptor: int) -> str:
    """Take the lock; return who holds it, if that is another."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
    except OSError:  # a file system without locks protects nothing, but can be trained on
        return ""
    with writing(path):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {platform.node()}\n".encode(), 0)
    return ""
