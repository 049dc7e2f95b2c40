"""What a row of proof returns: trials, each of a kind of fault, in a phase of a run, in a mode of running."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Trial:
    """One disturbance, and what became of it.

    Attributes:
        fault: what was done, as `SIGKILL`.
        phase: what the run was doing then.
        mode: how the run was run, or what was disturbed.
        problem: what was not as promised; empty: nothing.
        figure: what was measured, where something was.
    """

    fault: str
    phase: str
    mode: str
    problem: str = ""
    figure: str = ""


@dataclass(frozen=True)
class Cell:
    """The trials of one fault in one phase and mode, counted."""

    fault: str
    phase: str
    mode: str
    trials: int
    failures: int


def cells_of(trials: Iterable[Trial]) -> list[Cell]:
    """The table of what was tried: no cell without a trial."""
    done: Counter[tuple[str, str, str]] = Counter()
    failed: Counter[tuple[str, str, str]] = Counter()
    for trial in trials:
        key = (trial.fault, trial.phase, trial.mode)
        done[key] += 1
        failed[key] += bool(trial.problem)
    return [Cell(*key, done[key], failed[key]) for key in sorted(done)]


def problems_of(trials: Iterable[Trial]) -> list[str]:
    """A sentence for each trial that failed."""
    return [
        f"{trial.fault} / {trial.phase} / {trial.mode}: {trial.problem}" for trial in trials if trial.problem
    ]
