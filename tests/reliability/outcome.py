"""Where a run ended, by hash, and where it would have ended undisturbed."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import imgfw

from .looks import at_each_look
from .recipes import Mode

RUN = Path("runs", "tiny")
"""Where the run of one of our recipes is, in the folder that the recipe was made for."""


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder for as long as the context lasts; data workers of killed runs may still be in it then."""
    with tempfile.TemporaryDirectory(prefix="reliability-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def fingerprint(run: Path) -> dict[str, str]:
    """Hashes of all that the end of a run must have in common with the end of another.

    The files of the last and the best checkpoint hold weights, optimizer, schedule, random generators,
    history, best, and the callbacks' states, the patience of early stopping among them.
    """
    found = {
        f"{link}/{file.name}": _sha256(file.read_bytes())
        for link in ("last", "best")
        for file in sorted((run / "checkpoints" / link).iterdir())
    }
    summary = json.loads((run / "summary.json").read_text())
    kept = {key: summary[key] for key in ("status", "stop_reason", "epochs", "best", "test")}
    return found | {
        "metrics.csv": _sha256((run / "metrics.csv").read_bytes()),
        "summary.json": _sha256(json.dumps(kept).encode()),
    }


def difference(run: Path, mode: Mode) -> str:
    """What is not as at the end of an undisturbed run of a mode; empty: nothing."""
    return differing(run, undisturbed(mode).fingerprint)


def differing(run: Path, expected: Mapping[str, str]) -> str:
    """What is not as in a fingerprint at the end of a run; empty: nothing."""
    try:
        found = fingerprint(run)
    except OSError as error:
        return f"the run did not end: {error}"
    different = [name for name in sorted({*found, *expected}) if found.get(name) != expected.get(name)]
    return f"other bytes in {', '.join(different)}" if different else ""


@dataclass(frozen=True)
class Straight:
    """A run that nothing disturbed: its fingerprint, and the phases of its looks at the flag."""

    fingerprint: dict[str, str]
    looks: list[str]


def undisturbed(mode: Mode) -> Straight:
    """The run that one of this mode must end like: without data workers, and undisturbed."""
    return _straight(dataclasses.replace(mode, workers=0))


@functools.cache
def _straight(mode: Mode) -> Straight:
    looks: list[str] = []
    with workspace() as folder, at_each_look(looks.append):
        return Straight(fingerprint(imgfw.run(mode.recipe(folder), quiet=True).folder), looks)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
