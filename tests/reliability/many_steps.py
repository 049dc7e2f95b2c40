"""Many steps in one process: memory and open files stay as they are."""

from __future__ import annotations

import re
from pathlib import Path

import imgfw

from .outcome import workspace
from .recipes import PARTS
from .trials import Trial

WARM_UP = 0.1
GROWTH_ALLOWED = 0.02
SAMPLES = 20


class _Watch(imgfw.Callback):
    """Measures the process every so many steps, once it has warmed up."""

    def __init__(self, steps: int) -> None:
        self._first, self._every = int(steps * WARM_UP), max(int(steps * (1 - WARM_UP) / SAMPLES), 1)
        self.bytes: list[int] = []
        self.files: list[int] = []

    def on_step_end(self, run: imgfw.Run) -> None:
        if run.step >= self._first and (run.step - self._first) % self._every == 0:
            self.bytes.append(_resident_bytes())
            self.files.append(len(list(Path("/proc/self/fd").iterdir())))


def train_many_steps(count: int, seed: int) -> list[Trial]:
    """Train a linear model for `count` steps, evaluating after each 324 of them and saving now and then."""
    watch = _Watch(count)
    with workspace() as folder:
        imgfw.run(_recipe(folder, count, seed), callbacks=[watch], quiet=True)
    half = len(watch.files) // 2  # the least, since a checkpoint may be being written as they are counted
    files = min(watch.files[:half]), min(watch.files[half:])
    growth = max(watch.bytes) / watch.bytes[0] - 1
    figure = (
        f"{watch.bytes[0] / 2**20:.1f} MiB after {WARM_UP:.0%} of {count:,} steps, at most {growth:+.2%} "
        "later; "
        f"{files[0]} open files in the first half, {files[1]} in the second"
    )
    problem = "" if growth < GROWTH_ALLOWED and files[0] == files[1] else figure
    return [Trial("many steps", "whole run", "linear model on digits", problem, figure)]


def _recipe(folder: Path, steps: int, seed: int) -> dict[str, object]:
    return {
        "name": "many",
        "seed": seed,
        "plugins": [str(PARTS)],
        "data": "digits",
        "model": "linear_classifier",
        "loader": {"batch_size": 4, "num_workers": 0},
        "train": {"steps": steps, "device": "cpu"},
        "checkpoint": {"every": 10},
        "output_dir": str(folder),
    }


def _resident_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024
