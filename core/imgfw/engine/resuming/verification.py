"""Whether a recipe resumes bit for bit: trained straight, and interrupted and resumed, and compared."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from imgfw.catalog.catalog import Catalog
from imgfw.engine.resuming.comparison import differing, of_run
from imgfw.engine.resuming.trials import Trial, Trials, train_interrupted, train_killed, train_straight
from imgfw.engine.temporary import nothing_kept, temporary_folder

DEFAULT_STEPS = 24
MOST_STEPS_OF_AN_EPOCH = 64
"""Epochs of up to so many steps are spanned, where no number of steps is given."""

Verdict = Literal["equal", "differs", "varies"]


@dataclass(frozen=True)
class Row:
    """One thing that was compared.

    Attributes:
        name: what, as `model` or `callbacks[0] imgfw/early_stopping`.
        verdict: `equal`; `differs` by the interruptions; `varies` from one straight run to the next, too.
        detail: the first difference within.
    """

    name: str
    verdict: Verdict
    detail: str = ""


@dataclass(frozen=True)
class Verification:
    """What `verify_resume` found.

    Attributes:
        steps: optimizer steps of each run.
        steps_per_epoch: of the recipe.
        resumed_from: the steps from which the run went on; 0: from the start, nothing had been saved yet.
        rows: everything that was compared.
        lost: what callbacks kept in memory when they were interrupted, and no longer had when resumed.
    """

    steps: int
    steps_per_epoch: int
    resumed_from: list[int]
    rows: list[Row]
    lost: list[str]

    @property
    def passed(self) -> bool:
        """Whether nothing differs, but for what callbacks save that varies by itself, as measured times."""
        return all(
            row.verdict == "equal" or (row.verdict == "varies" and row.name.startswith("callbacks["))
            for row in self.rows
        )


@nothing_kept("The proof")
def verify_resume(
    recipe: str | Path,
    *,
    overrides: Sequence[str] = (),
    steps: int | None = None,
    interruptions: int = 2,
    seed: int = 0,
    kill: Sequence[str] | None = None,
    catalog: Catalog | None = None,
) -> Verification:
    """Train a recipe straight, and interrupted and resumed, in temporary folders, and compare the two.

    Args:
        recipe: the recipe file.
        overrides: changes of it.
        steps: optimizer steps of each run; by default 24, or an epoch and a half where epochs are longer, up
            to 64 steps.
        interruptions: how often the second run is interrupted.
        seed: chooses where.
        kill: end processes with SIGKILL, started by a command with these words before its verb; None:
            interrupt in this process, as a signal would.
        catalog: the plugins to use; by default those installed.

    Raises:
        ImgfwError: the recipe cannot be trained. A run that the message names is kept.
        InterruptedRun: a signal came.
    """
    with temporary_folder("imgfw-verify-") as folder:
        trials = Trials(recipe, overrides, folder, catalog or Catalog())
        straight, steps, steps_per_epoch = _straight(trials, steps)
        places = random.Random(seed)
        if kill is None:
            resumed = train_interrupted(trials, steps, straight.looks, interruptions, places)
        else:
            resumed = train_killed(trials, steps, interruptions, places, kill)
        expected, found = of_run(straight.folder), of_run(resumed.folder)
        differences = differing(expected, found)
        varying: Mapping[str, str] = {}
        if differences:
            varying = differing(expected, of_run(train_straight(trials, "again", steps)[0].folder))
        rows = [_row(name, differences, varying) for name in dict.fromkeys((*expected, *found))]
        return Verification(steps, steps_per_epoch, resumed.stops, rows, resumed.lost)


def _straight(trials: Trials, steps: int | None) -> tuple[Trial, int, int]:
    """A straight run, its steps and those of an epoch; long enough to span one, where that is feasible."""
    length = steps or DEFAULT_STEPS
    trial, steps_per_epoch = train_straight(trials, "straight", length)
    if steps is None and length <= steps_per_epoch <= MOST_STEPS_OF_AN_EPOCH:
        length = steps_per_epoch * 3 // 2
        trial, _ = train_straight(trials, "longer", length)
    return trial, length, steps_per_epoch


def _row(name: str, differences: Mapping[str, str], varying: Mapping[str, str]) -> Row:
    if name not in differences:
        return Row(name, "equal")
    return Row(name, "varies" if name in varying else "differs", differences[name])
