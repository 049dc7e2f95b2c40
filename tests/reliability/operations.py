"""Every operation on the files of a run, seen just before it happens, whichever thread and function does it.

What Python does to files it announces in audit events; flushes, which have no event, are wrapped. An event's
hook may kill the process or raise an error in the operation's place: that is how crashes and broken disks are
planted exactly between two operations. Hooks cannot be removed, so this is for forked children only.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_ONE_PATH = {"os.mkdir": "make", "os.remove": "remove", "os.rmdir": "remove"}
_TWO_PATHS = {"os.rename": "rename", "os.symlink": "link", "os.link": "link"}


def watch_operations(run: Path, call: Callable[[str], None]) -> None:
    """Call a function with the name of each operation on a file or folder below `run`, before it happens."""
    flush = os.fsync

    def flush_and_tell(descriptor: Any) -> None:
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        _tell("flush", _path_of(number), run, call)
        flush(descriptor)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if flags & _WRITES and not isinstance(path, int):
                _tell("write", os.fsdecode(path), run, call)
        elif event == "os.truncate":
            path = arguments[0]
            _tell("truncate", _path_of(path) if isinstance(path, int) else os.fsdecode(path), run, call)
        elif event in _ONE_PATH:
            _tell(_ONE_PATH[event], _joined(arguments[0], arguments[-1]), run, call)
        elif event in _TWO_PATHS:
            _tell(_TWO_PATHS[event], os.fsdecode(arguments[1]), run, call)

    os.fsync = flush_and_tell
    sys.addaudithook(hook)


def _tell(verb: str, path: str, run: Path, call: Callable[[str], None]) -> None:
    if path.startswith(f"{run}/"):
        call(f"{_area(verb, path)}: {verb} {_general(Path(path).relative_to(run))}")


def _joined(path: Any, folder_descriptor: Any) -> str:
    """The path of what an event names within an open folder, as `shutil.rmtree` does."""
    within = isinstance(folder_descriptor, int) and folder_descriptor >= 0
    return f"{_path_of(folder_descriptor)}/{os.fsdecode(path)}" if within else os.fsdecode(path)


def _path_of(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


def _area(verb: str, path: str) -> str:
    if "/checkpoints" not in path:
        return "recording"
    return "rotation" if verb == "remove" and re.search(r"/checkpoints/\.?[0-9]", path) else "saving"


def _general(path: Path) -> str:
    """The path without the numbers of epochs and steps, so that the same operation has the same name."""
    return re.sub(r"\d+(-step-\d+)?", "N", str(path))
