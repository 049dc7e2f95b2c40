"""What a checkpoint costs the training: the time until its next step, and until it is on the disk."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import torch
from imgfw.catalog.catalog import Catalog
from imgfw.engine.building import Parts, build_parts
from imgfw.engine.console import Console
from imgfw.engine.input.bad_data import Quarantine
from imgfw.engine.input.data import build_data
from imgfw.engine.progress import Progress
from imgfw.engine.saving.recording import Recorder
from imgfw.engine.saving.run_folder import RunFolder
from imgfw.engine.saving.run_state import run_state
from imgfw.recipe.checking import aim_of, check
from imgfw.recipe.reading import read_recipe
from measuring import Effort, Seconds, Spread, Stopwatch, interleave, ratios
from page import goals, table

OURS, WHOLE, THEIRS = "imgfw, until the next step", "imgfw, until it is on the disk", "`torch.save`, `fsync`"

RECIPE = {
    "data": "digits",
    "split": {"val_fraction": 0.2},
    "model": "resnet18",
    "optimizer": {"type": "sgd", "lr": 0.1, "momentum": 0.9},
    "train": {"epochs": 1, "device": "cpu"},
    "loader": {"num_workers": 0},
}


def build() -> tuple[Parts, tuple[str, str]]:
    """A ResNet-18 after one step of SGD with momentum, and what its best goes by."""
    resolved = check(read_recipe(RECIPE), Catalog()).recipe
    data = build_data(resolved, Quarantine())
    parts = build_parts(resolved, data, torch.device("cpu"))
    for parameter in parts.model.parameters():
        parameter.grad = torch.ones_like(parameter)
    parts.optimizer.step()
    return parts, aim_of(resolved)


def measure(effort: Effort) -> str:
    """Measure, and write the section of the page."""
    parts, aim = build()
    progress = Progress(step=1)
    with tempfile.TemporaryDirectory() as place:
        recorder = Recorder(RunFolder(Path(place)), Console(quiet=True), *aim)

        def ours() -> Seconds:
            with recorder:  # waits for the writing when the time is taken
                stopwatch = Stopwatch()
                recorder.save(parts, progress)
                return stopwatch.read()

        def whole() -> Seconds:
            stopwatch = Stopwatch()
            recorder.save(parts, progress, wait=True)
            return stopwatch.read()

        def theirs() -> Seconds:
            stopwatch = Stopwatch()
            with (Path(place) / "theirs.pt").open("wb") as file:
                torch.save({"model": parts.model.state_dict(), **run_state(parts, progress, {})}, file)
                file.flush()
                os.fsync(file.fileno())
            return stopwatch.read()

        measured = interleave({OURS: ours, WHOLE: whole, THEIRS: theirs}, effort.rounds)
        size = (Path(place) / "theirs.pt").stat().st_size
    times = {
        clock: {name: [1000 * getattr(run, clock) for run in runs] for name, runs in measured.items()}
        for clock in ("cpu", "wall")
    }
    rows = [[name, *(Spread.of(values[name]).show(".1f") for values in times.values())] for name in measured]
    over = [ratios(values[THEIRS], values[OURS]).show(".1f") for values in times.values()]
    rows.append(["the last over the first, times", *over])
    note = _NOTE.format(megabytes=size / 1e6, rounds=effort.rounds)
    blocked = Spread.of(times["wall"][OURS]).show(".1f")
    goal = goals([("wall ms until the next step", "25 or less", blocked)])
    return f"{note}\n\n{table(['a checkpoint', 'CPU ms', 'wall ms'], rows)}\n\n{goal}"


_NOTE = """\
The whole state of a ResNet-18 and SGD with momentum, {megabytes:.0f} MB; {rounds} rounds, interleaved. imgfw
copies it in memory, and writes, hashes and flushes it beside the training; `torch.save` hashes nothing."""
