"""Work of which nothing is kept: its folder and its processes end with it, also where a signal ends it."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imgfw.contract.errors import ImgfwError, InterruptedRun
from imgfw.engine.interruption import Interruption, stoppable

_TIDYING_SECONDS = 10
"""How long a process that is not needed any more may take to end."""


@contextmanager
def nothing_kept(what: str) -> Iterator[None]:
    """Let a signal end work of which nothing is kept, the runs within it too.

    Raises:
        InterruptedRun: one came.
    """
    message = f"{what} was stopped; nothing of it is kept."
    try:
        with stoppable(Interruption(), message):
            yield
    except InterruptedRun as error:
        raise InterruptedRun(message, "", error.exit_code - 128) from None


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """A new folder that is removed afterwards, unless an error sends its reader there."""
    folder, is_named = Path(tempfile.gettempdir()) / f"{prefix}{secrets.token_hex(8)}", False
    try:
        folder.mkdir(mode=0o700)  # here, so that a signal cannot come between its making and its removal
        yield folder
    except InterruptedRun:
        raise
    except ImgfwError as error:
        is_named = str(folder) in str(error)
        raise
    finally:
        if not is_named:
            shutil.rmtree(folder, ignore_errors=True)


def end(process: subprocess.Popen[str]) -> None:
    """End a process that still runs: by SIGTERM, so that it tidies up, then by SIGKILL."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_TIDYING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
