"""Timing a real run from within it, window by window."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from imgfw.contract.callback import Callback, Run
from imgfw.engine.input.batch_plan import BatchPlan
from imgfw.engine.speed.measuring import synchronize


@dataclass
class Stretch:
    """What a run did in a window: images, steps, and the seconds they took."""

    images: int = 0
    steps: int = 0
    seconds: float = 0.0


class LiveWindows(Callback):
    """Times stretches of a run's own loop; between two windows the run stands still.

    A window holds all that the loop does from one step's end to another's, and from the start of an epoch to
    the end of its last step: fetching, steps, logging, callbacks. Evaluation and saving are left out.

    Args:
        seconds: the least a window lasts.
        batches: says how many images a step has.
        pause: called after each window; what it raises ends the run.
    """

    def __init__(self, seconds: float, batches: BatchPlan, pause: Callable[[Stretch], None]) -> None:
        self._seconds = seconds
        self._batches = batches
        self._pause = pause
        self._settle = self._settling = 1
        self._stretch = Stretch()
        self._began = 0.0

    def on_run_start(self, run: Run) -> None:
        self._settle = settling_steps(run.recipe)

    def on_epoch_start(self, run: Run) -> None:
        self._began = time.perf_counter()

    def on_step_end(self, run: Run) -> None:
        if self._settling:
            self._settling -= 1
            self._begin(run.device)
            return
        stretch, step = self._stretch, (run.step - 1) % self._batches.steps_per_epoch
        stretch.images += self._batches.size(step)
        stretch.steps += 1
        epoch_ends = step + 1 == self._batches.steps_per_epoch
        if epoch_ends or stretch.seconds + time.perf_counter() - self._began >= self._seconds:
            synchronize(run.device)
            now = time.perf_counter()
            stretch.seconds, self._began = stretch.seconds + now - self._began, now
            if stretch.seconds >= self._seconds:
                self._pause(stretch)
                self._settling = self._settle
                self._begin(run.device)

    def _begin(self, device: torch.device) -> None:
        synchronize(device)
        self._stretch, self._began = Stretch(), time.perf_counter()


def settling_steps(recipe: Mapping[str, Any]) -> int:
    """Steps after a pause until workers have handed over what they prepared meanwhile.

    Args:
        recipe: a resolved recipe, as JSON data.
    """
    return 1 + int(recipe["loader"]["num_workers"] * recipe["loader"]["prefetch"])
