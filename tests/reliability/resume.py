"""A run stopped by a signal at any look at the flag, and resumed, ends with the bytes of a straight one."""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import imgfw
from imgfw.engine.saving import checkpoint_folder

from .looks import signal_at_look
from .outcome import RUN, difference, undisturbed, workspace
from .recipes import ACCUMULATED, EMA, TASKS, Mode
from .trials import Trial

MODES = [
    *(
        Mode(task, precision, workers)
        for task, precision, workers in product(TASKS, ("fp32", "bf16"), (0, 1, 2))
    ),
    *(Mode(task, more=more) for task, more in product(TASKS, (EMA, ACCUMULATED))),
]


def resume_at_each_look(modes: Sequence[Mode], count: int, seed: int) -> list[Trial]:
    """Stop runs of some modes at `count` of all their looks; at each, if there are fewer."""
    looks = [(mode, look) for mode in modes for look in range(1, len(undisturbed(mode).looks) + 1)]
    trials = []
    for mode, look in random.Random(seed).sample(looks, min(count, len(looks))):
        stopped, problem = _stop_and_resume(mode, [look])
        trials += [Trial("SIGTERM, then resumed", phase, str(mode), problem) for phase in stopped]
    return trials


def resume_three_times(count: int, seed: int) -> list[Trial]:
    """Stop a run at a random look, the resumed run again, and once more."""
    draw, trials = random.Random(seed), []
    for _ in range(count):
        mode = draw.choice(MODES)
        looks = [draw.randint(1, len(undisturbed(mode).looks) // 3) for _ in range(3)]
        stopped, problem = _stop_and_resume(mode, looks)
        trials += [Trial("three SIGTERMs, then resumed", phase, str(mode), problem) for phase in stopped]
    return trials


def _stop_and_resume(mode: Mode, looks: Sequence[int]) -> tuple[list[str], str]:
    """The phases in which the run was stopped, and what is wrong in the end."""
    with workspace() as folder:
        stopped = []
        for look in looks:
            with signal_at_look(look, signal.SIGTERM) as phases:
                try:
                    _go_on(mode, folder)
                    return stopped, "the signal did not stop the run"
                except imgfw.InterruptedRun as error:
                    stopped.append(phases[-1])
                    if error.exit_code != 128 + signal.SIGTERM or len(phases) != look:
                        return stopped, f"stopped at look {len(phases)} with exit code {error.exit_code}"
        _go_on(mode, folder)
        return stopped, difference(folder / RUN, mode)


def _go_on(mode: Mode, folder: Path) -> None:
    """Resume the run, or start it where nothing was saved yet."""
    if checkpoint_folder.ordered(folder / RUN / "checkpoints"):
        imgfw.resume(folder / RUN, quiet=True)
        return
    shutil.rmtree(folder / RUN, ignore_errors=True)
    imgfw.run(mode.recipe(folder), quiet=True)
