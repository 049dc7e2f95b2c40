"""What came of a run: for tests that run a recipe."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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


def outcome_of(folder: Path | None, exit_code: int, output: str) -> RunOutcome:
    """Read what a run left behind."""
    return RunOutcome(exit_code, output, _rows(folder), _summary(folder), folder)


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
