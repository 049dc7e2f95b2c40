"""What `make reliability` writes: Markdown, with the machine and the versions that it was made with."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

from .trials import Cell, Trial, cells_of, problems_of

_PACKAGES = ("imgfw", "torch", "torchvision", "torchmetrics", "safetensors")
_HEAD = """\
# Reliability

Written by `make reliability` (a part: `python -m tests.reliability.run --rows resume --scale 0.1`), which
runs every trial below; a part of each row, chosen by seed, runs in `make test`.

The runs that are disturbed are real ones, of 24 steps (3 epochs of 8): classification, segmentation and
detection, with dropout, batch norm, random augmentation, mixup (classification), a schedule, early stopping,
validation, rotation of checkpoints, best, and a final test. "The same bytes" compares SHA-256: every file of
the last and the best checkpoint (weights, optimizer, schedule, random generators, history, best, patience),
`metrics.csv`, and the end in `summary.json`, with those of a run that nothing disturbed and that read its
data without workers. Processes are killed in earnest. "At a point" means between two operations on the run's
files, or as a loop looks at the interruption flag, wherever in the engine that is."""


def page(rows: Mapping[str, tuple[str, Sequence[Trial]]], minutes: float) -> str:
    """The whole page, from what each row proves, and its trials."""
    trials = [trial for _, done in rows.values() for trial in done]
    cells = cells_of(trials)
    parts = [
        _HEAD,
        _conditions(),
        f"{len(trials):,} trials, {len(problems_of(trials))} failures, {minutes:.0f} minutes.",
        "## What is proven",
        _table(("row", "what", "trials", "failures"), [_row(name, *row) for name, row in rows.items()]),
        *(
            f"{done[0].fault}: {done[0].figure}."
            for _, done in rows.values()
            if len(done) == 1 and done[0].figure
        ),
        f"## Fault, phase, mode\n\n{len(cells)} cells; each was tried.",
        *(_fault(fault, list(group)) for fault, group in groupby(cells, key=lambda cell: cell.fault)),
    ]
    return "\n\n".join(parts) + "\n"


def _row(name: str, what: str, trials: Sequence[Trial]) -> tuple[str, ...]:
    return f"`{name}`", what, f"{len(trials):,}", str(len(problems_of(trials)))


def _fault(fault: str, cells: Sequence[Cell]) -> str:
    rows = [(cell.phase, cell.mode, str(cell.trials), str(cell.failures)) for cell in cells]
    return f"### {fault}\n\n{_table(('phase', 'mode', 'trials', 'failures'), rows)}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---", "---", *["---:"] * (len(header) - 2)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _conditions() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"Machine: {_processor()}, {len(os.sched_getaffinity(0))} cores, {platform.system()}.\n"
        f"Python {platform.python_version()}, {versions}."
    )


def _processor() -> str:
    """The name of the processor, as Linux tells it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
