"""Fixtures for a plugin's tests, after `pytest_plugins = ["imgfw.testing.fixtures"]` in a test file."""

from __future__ import annotations

import contextlib
import copy
import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from imgfw.testing import network

__all__ = ["RunOutcome", "imgfw_run", "no_network"]


@dataclass(frozen=True)
class RunOutcome:
    """What came of a run.

    Attributes:
        exit_code: what `imgfw run` would exit with: 0, or the code of the error.
        output: what it would print, errors included.
        metrics: the rows of metrics.csv, an epoch each; numbers as floats, None where there is none.
        summary: what summary.json holds; empty where the run did not begin.
        folder: the run's folder; None where the run did not begin.
    """

    exit_code: int
    output: str
    metrics: list[dict[str, float | None]]
    summary: dict[str, Any]
    folder: Path | None


@pytest.fixture
def no_network() -> Iterator[None]:
    """Refuse connections to other machines while the test runs."""
    with network.no_network():
        yield


@pytest.fixture
def imgfw_run(no_network: None, tmp_path: Path) -> Callable[..., RunOutcome]:
    """Run a recipe to its end, in this process and without the network: `imgfw_run(recipe, seed=1)`.

    The recipe is a dict; paths in it are relative to the working folder. Each keyword changes a part of it: a
    dict without `type` is merged into the part, as `train={"epochs": 2}`; anything else takes its place. The
    run's folder is in the test's `tmp_path`. What goes wrong is in the outcome, as a user would see it.
    """
    count = 0

    def run(recipe: Mapping[str, Any], **changes: Any) -> RunOutcome:
        nonlocal count
        count += 1
        return _run(_changed(recipe, changes), tmp_path / f"imgfw_run_{count}")

    return run


def _changed(recipe: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(dict(recipe))
    for name, value in changes.items():
        merges = isinstance(value, Mapping) and "type" not in value and isinstance(changed.get(name), dict)
        changed[name] = {**changed[name], **value} if merges else value
    return changed


def _run(recipe: dict[str, Any], parent: Path) -> RunOutcome:
    from imgfw.cli.failures import exit_code_of
    from imgfw.engine import session

    said, code = io.StringIO(), 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            session.run({**recipe, "output_dir": str(parent)})
        except Exception as error:  # whatever a run may fail with is its outcome
            code = exit_code_of(error)
    folder = next(iter(sorted(parent.glob("*"))), None)
    return RunOutcome(code, said.getvalue(), _rows(folder), _summary(folder), folder)


def _rows(folder: Path | None) -> list[dict[str, float | None]]:
    file = folder / "metrics.csv" if folder else None
    if file is None or not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        return [
            {name: float(value) if value else None for name, value in row.items()}
            for row in csv.DictReader(lines)
        ]


def _summary(folder: Path | None) -> dict[str, Any]:
    file = folder / "summary.json" if folder else None
    summary: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file and file.exists() else {}
    return summary
