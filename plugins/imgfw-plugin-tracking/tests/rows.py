"""What a run wrote itself: the truth that trackers are compared with."""

from __future__ import annotations

import csv
import json
from pathlib import Path


def curves_of(folder: Path) -> dict[str, dict[int, float]]:
    """Every value that the run recorded, by its name and step."""
    curves: dict[str, dict[int, float]] = {}
    for line in (folder / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["event"] in ("step", "epoch"):
            figures = {key: value for key, value in event.items() if isinstance(value, float)}
            for name, value in figures.items():
                curves.setdefault(name, {})[event["step"]] = value
    curves.pop("time", None)
    return curves


def rows_of(folder: Path) -> list[dict[str, float]]:
    """The rows of metrics.csv."""
    with (folder / "metrics.csv").open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
