"""Watching what a process does, through Python's audit hook, whoever makes it do so."""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import imgfw.engine.runs  # noqa: F401 - forked processes have it then

_MORE_BYTES = 3_000_000_000
"""What a child may take beyond what it begins with: memory bombs end as errors."""

_ALWAYS = (
    "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "subprocess.Popen", "pty.spawn",
    "socket.connect", "socket.bind", "socket.getaddrinfo", "ctypes.dlopen", "os.kill", "os.putenv",
)  # fmt: skip
"""What nothing that is watched has a reason to do."""

_PATHS = {
    "os.mkdir": 1, "os.rename": 2, "os.remove": 1, "os.rmdir": 1, "os.link": 2, "os.symlink": 2,
    "os.truncate": 1, "os.chmod": 1, "os.chown": 1, "os.utime": 1, "shutil.rmtree": 1, "shutil.move": 2,
    "shutil.copyfile": 2,
}  # fmt: skip
"""What changes files, and how many of the event's arguments are paths."""


class Watch:
    """Notes what happens while it is on. Audit hooks can never be removed, so there is one a process.

    Args:
        writable: the folders in which files may be changed.
        readable_code: the folders from which code may be imported.
    """

    def __init__(self, writable: list[Path], readable_code: list[Path]) -> None:
        self.seen: list[str] = []
        self.on = False
        self._writable = [str(folder.resolve()) for folder in writable]
        self._code = [str(folder.resolve()) for folder in readable_code]
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in _ALWAYS:
            self.seen.append(f"{event} {args!r}"[:200])
        elif event == "open":
            self._opened(*args)
        elif event in _PATHS:
            folder = args[-1] if isinstance(args[-1], int) and args[-1] >= 0 else None
            for path in args[: _PATHS[event]]:
                self._changed(event, path, folder)
        elif event == "exec":
            self._executed(args[0])

    def _opened(self, path: Any, mode: Any, flags: int) -> None:
        if isinstance(path, str | bytes | os.PathLike) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            self._changed("open to write", path)

    def _changed(self, event: str, path: Any, folder: int | None = None) -> None:
        if isinstance(path, int):
            return  # it was opened before, and looked at then
        within = "" if folder is None else f"/proc/self/fd/{folder}"
        place = os.path.realpath(os.path.join(within, os.fsdecode(path)))  # noqa: PTH118 - may be bytes
        if not place.startswith(tuple(self._writable)):
            self.seen.append(f"{event} {place}"[:300])

    def _executed(self, code: Any) -> None:
        name = code.co_filename
        if not name.startswith("<") and not os.path.realpath(name).startswith(tuple(self._code)):
            self.seen.append(f"runs {name}")


def trusted_code() -> list[Path]:
    """Where code may come from: Python, what is installed, and imgfw."""
    import imgfw
    import imgfw_plugins

    packages = [Path(module.__file__ or "").parent for module in (imgfw, imgfw_plugins)]
    return [*packages, Path(sys.prefix), Path(sys.base_prefix), Path(os.__file__).parent]


def in_child(work: Callable[[], Any]) -> Any:
    """What a function returns in a forked process, whose audit hook and limits end with it.

    Raises:
        RuntimeError: the process died.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(work, sender))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"the process ended with {process.exitcode}") from None
    finally:
        process.join()


def _work(work: Callable[[], Any], sender: Connection) -> None:
    sys.dont_write_bytecode = True
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _MORE_BYTES, used + _MORE_BYTES))
    sender.send(work())
