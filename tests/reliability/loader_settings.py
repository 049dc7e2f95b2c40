"""How batches are fetched changes not one bit of a run: workers, prefetch, cache."""

from __future__ import annotations

import random
from itertools import product

import imgfw

from .outcome import difference, workspace
from .recipes import TASKS, Mode
from .trials import Trial

SETTINGS = list(product((0, 1, 2, 4), (1, 4)))
"""Workers and prefetch."""


def change_loader_settings(count: int, seed: int) -> list[Trial]:
    """Run each task with `count` of the settings; all, if there are fewer."""
    draw, trials = random.Random(seed), []
    for task in TASKS:
        for workers, prefetch in draw.sample(SETTINGS, min(count, len(SETTINGS))):
            mode = Mode(task, workers=workers, more=(("loader.prefetch", prefetch),))
            with workspace() as folder:
                run = imgfw.run(mode.recipe(folder), quiet=True).folder
                problem = difference(run, Mode(task))
            trials.append(Trial("other loader settings", "whole run", str(mode), problem))
    return trials
