"""Writing files so that a crash leaves the old one or the new one, never half of one."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imgfw.contract.errors import ImgfwError

_MARGIN = 2**20
"""Bytes that a disk must have beyond what is written: folders and journals need some."""

_HINTS = {
    errno.ENOSPC: "Free some space",
    errno.EDQUOT: "Free some space",
    errno.EFBIG: "Raise the limit on the size of files (ulimit -f)",
    errno.EIO: "Look after the disk, which fails",
    errno.ENOENT: "Leave the folder where it is while a run writes into it",
}


@contextlib.contextmanager
def writing(path: Path, after: str = "") -> Iterator[None]:
    """Make an error of what the context writes one that a person can mend.

    Args:
        path: what is written.
        after: what remains, and can be done then.

    Raises:
        ImgfwError: it cannot be written; names the path and the free bytes of its disk.
    """
    try:
        yield
    except OSError as error:
        raise cannot_write(path, str(error), error.errno, after) from error


def cannot_write(path: Path, reason: str, number: int | None, after: str = "") -> ImgfwError:
    """The error for a path that could not be written, for a reason of the operating system."""
    hint = _HINTS.get(number or 0, "Make the folder writable")
    free = f"{free_bytes(path):,} bytes are free on its disk"
    return ImgfwError(f"{path} cannot be written: {reason} ({free}).", f"{hint}{after and f'; {after}'}.")


def free_bytes(path: Path) -> int:
    """What is free on the disk of a path, which need not exist."""
    return shutil.disk_usage(next(place for place in (path, *path.absolute().parents) if place.exists())).free


def refuse_full_disk(path: Path, size: int) -> None:
    """Make sure that a disk has room for some bytes more.

    Raises:
        OSError: it has not.
    """
    free = free_bytes(path)
    if free < size + _MARGIN:
        needed = f"No space left on device: {size + _MARGIN:,} bytes are needed"
        raise OSError(errno.ENOSPC, needed)


def error_number(error: Exception) -> int | None:
    """The operating system's number of an error; safetensors only tells it in its message."""
    told = re.search(r"os error (\d+)", str(error))
    return getattr(error, "errno", None) or (int(told.group(1)) if told else None)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file aside, flush it to the disk and put it in place in one step."""
    aside = path.with_name(f".{path.name}.tmp")
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise
    sync_folder(path.parent)


def write_json(path: Path, data: Any) -> None:
    """Write data as JSON that a person can read, atomically."""
    # A file's name may hold bytes that are no UTF-8: JSON has an escape for each.
    write_atomically(path, json_text(data).encode("utf-8", "backslashreplace"))


def json_text(data: Any) -> str:
    """Data as JSON that a person can read."""
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def append_whole(path: Path, text: str) -> None:
    """Append to a file all of a text, or nothing of it."""
    data = text.encode("utf-8", "backslashreplace")
    with path.open("ab", buffering=0) as file:
        before = os.fstat(file.fileno()).st_size
        try:
            if file.write(data) < len(data):  # the disk had room for a part
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            os.truncate(path, before)
            raise


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, so that a rename in it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Flush a file's content to the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def replace_link(link: Path, target: str) -> None:
    """Point a symbolic link elsewhere in one step."""
    aside = link.with_name(f".{link.name}.tmp")
    aside.unlink(missing_ok=True)
    aside.symlink_to(target)
    aside.replace(link)
    sync_folder(link.parent)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
