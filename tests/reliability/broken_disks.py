"""Disks full, failing, read-only, or gone: earlier checkpoints stay whole, and a sentence says why."""

from __future__ import annotations

import ctypes
import errno
import os
import random
import re
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .outcome import RUN, difference, workspace
from .recipes import TASKS, Mode
from .sessions import MODES, at, begin, course_of, finish, lost
from .trials import Trial

AREAS = ("saving", "rotation", "recording")
_CHANGING = re.compile(r"\w+: (write|make|link|rename|remove|flush) ")
_GROWING = re.compile(r"\w+: (write|make|link|flush) ")
_DISK_BYTES = 8 * 2**20
_MS_RDONLY, _MS_REMOUNT = 1, 32


def fail_at_points(count: int, seed: int) -> list[Trial]:
    """Let an operation on a file fail, or all from then on: a disk that fails, is full, or read-only."""
    draw, trials = random.Random(seed), []
    faults = {
        "EIO once": lambda point, number: _failing(point, number, errno.EIO, lasting=None),
        "ENOSPC from then on": lambda point, number: _failing(point, number, errno.ENOSPC, _GROWING),
        "EROFS from then on": lambda point, number: _failing(point, number, errno.EROFS, _CHANGING),
    }
    for _ in range(count):
        mode, fault = draw.choice(MODES), draw.choice(sorted(faults))
        point, number = course_of(mode).draw_point(draw, draw.choice(AREAS))
        with workspace() as folder:
            trials.append(_trial(fault, point, mode, folder, faults[fault](point, number), lambda: None))
    return trials


def fill_the_disk(count: int, seed: int) -> list[Trial]:
    """Run on a small disk of its own on which some bytes are left: the disk is full at a random moment.

    Where no disk can be mounted, there are no trials.
    """
    draw, trials = random.Random(seed), []
    for _ in range(count):
        mode = draw.choice(MODES)
        with workspace() as folder, _small_disk(folder / "runs") as disk:
            if disk is None:
                return []
            ballast, room = disk / "ballast", int(_DISK_BYTES * 0.03 * draw.random() ** 2)
            ballast.write_bytes(bytes(shutil.disk_usage(disk).free - room))
            trials.append(_trial("disk full", "any write", mode, folder, None, ballast.unlink))
    return trials


def limit_file_sizes(count: int, seed: int) -> list[Trial]:
    """Let no file grow over some bytes (RLIMIT_FSIZE), from the first operation on."""
    draw, trials = random.Random(seed), []
    for _ in range(count):
        # Memory shared with workers is a file as well, of 4 KiB here and more with workers: not limited.
        mode, limit = Mode(draw.choice(TASKS)), draw.randint(4096, 12_000)
        first = at(next(iter(course_of(mode).points)), 1, lambda limit=limit: _limit_file_size(limit))
        with workspace() as folder:
            trials.append(_trial("file size limited", "any write", mode, folder, first, lambda: None))
    return trials


def mount_read_only(count: int, seed: int) -> list[Trial]:
    """Mount the run's disk read-only while it runs. Where no disk can be mounted, there are no trials."""
    draw, trials = random.Random(seed), []
    for _ in range(count):
        mode = draw.choice(MODES)
        point, number = course_of(mode).draw_point(draw, "saving: write")
        with workspace() as folder, _small_disk(folder / "runs") as disk:
            if disk is None:
                return []
            now = at(point, number, lambda disk=disk: _remount(disk, _MS_RDONLY))
            trials.append(
                _trial("mounted read-only", point, mode, folder, now, lambda disk=disk: _remount(disk, 0))
            )
    return trials


def remove_folders(count: int, seed: int) -> list[Trial]:
    """Remove what is being written, all checkpoints, or the run's folder while the run saves."""
    draw, trials = random.Random(seed), []
    targets = {"unfinished checkpoint": "checkpoints/.*.tmp", "checkpoints": "checkpoints", "run": "."}
    for _ in range(count):
        mode, removed = draw.choice(MODES), draw.choice(sorted(targets))
        point, number = course_of(mode).draw_point(draw, "saving")
        with workspace() as folder:

            def remove(pattern: str = targets[removed], run: Path = folder / RUN) -> None:
                for place in [run] if pattern == "." else list(run.glob(pattern)):
                    gone = Path(tempfile.mkdtemp(dir=folder)) / "gone"
                    place.rename(gone)  # at once, whoever writes into it
                    shutil.rmtree(gone, ignore_errors=True)

            fault = f"folder of the {removed} removed"
            trials.append(_trial(fault, point, mode, folder, at(point, number, remove), lambda: None))
    return trials


def _trial(
    fault: str,
    phase: str,
    mode: Mode,
    folder: Path,
    at_point: Callable[[str], None] | None,
    mend: Callable[[], None],
) -> Trial:
    """Run on the broken disk; mend it; go on: the end is the undisturbed one's."""
    session = begin(mode, folder, at_point)
    code = session.wait()
    problem = _badly_said(code, session.said, folder, fault)
    mend()
    kept = "" if "removed" in fault else lost(folder / RUN)
    problem = problem or kept or finish(mode, folder) or difference(folder / RUN, mode)
    return Trial(fault, phase, str(mode), problem)


def _badly_said(code: int, said: str, folder: Path, fault: str) -> str:
    """What is wrong with the sentence of a run that failed: it has the path, and a full disk's free bytes."""
    if code == 0:  # what failed did no harm; the end will show it
        return ""
    if "Traceback" in said or "unexpected error" in said or "error: " not in said:
        return f"exit code {code} with: {said.strip()[-600:]}"
    if str(folder / RUN) not in said:
        return f"no path in: {said.strip()}"
    if fault in ("disk full", "ENOSPC from then on") and not re.search(r"[\d,.]+ ?([KMGT]i?B|bytes)", said):
        return f"no free bytes in: {said.strip()}"
    return ""


def _failing(point: str, number: int, code: int, lasting: re.Pattern[str] | None) -> Callable[[str], None]:
    """For a child: the operation fails when the point is reached for the n-th time, then all that match."""
    failing = False

    def fail() -> None:
        nonlocal failing
        failing = True
        raise OSError(code, os.strerror(code))

    reach = at(point, number, fail)

    def at_point(found: str) -> None:
        if failing and lasting is not None and lasting.match(found):
            raise OSError(code, os.strerror(code))
        reach(found)

    return at_point


def _limit_file_size(limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@contextmanager
def _small_disk(place: Path) -> Iterator[Path | None]:
    """A disk of a few MiB in memory, mounted for as long as the context lasts; None without the right to."""
    place.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", str(place)]
    mounted = (
        shutil.which("mount") and subprocess.run(["mount", *options], capture_output=True).returncode == 0
    )
    try:
        yield place if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(place)], check=True)


def _remount(disk: Path, flags: int) -> None:
    ctypes.CDLL(None, use_errno=True).mount(None, str(disk).encode(), None, _MS_REMOUNT | flags, None)
