"""How fast a recipe trains on this machine, and how fast it could: SOL, LOADER, RUN and WALL."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from imgfw.catalog.catalog import Catalog
from imgfw.contract.errors import ImgfwError
from imgfw.contract.wording import counted
from imgfw.engine.building import Parts, batch_plan, build_parts
from imgfw.engine.console import Console
from imgfw.engine.input.bad_data import Quarantine
from imgfw.engine.input.batch_plan import BatchPlan
from imgfw.engine.input.caching import cache_images
from imgfw.engine.input.data import Data, build_data
from imgfw.engine.precision import choose_device
from imgfw.engine.runs import run
from imgfw.engine.speed.bare_step import BareStep, delivery_of
from imgfw.engine.speed.live_windows import LiveWindows, Stretch, settling_steps
from imgfw.engine.speed.measuring import Rate, Window, paired_ratio, window_of
from imgfw.engine.speed.tutorial_loop import TutorialLoop
from imgfw.engine.speed.utilization import utilization
from imgfw.engine.temporary import end, nothing_kept, temporary_folder
from imgfw.recipe.checking import check
from imgfw.recipe.reading import read_recipe
from imgfw.recipe.resolving import ResolvedRecipe

FORMAT = 1
"""Of the JSON; a change that breaks its readers raises it."""

_ENDLESS = ("train.epochs=null", f"train.steps={10**9}")
"""The run that is timed from within ends when everything is measured."""


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Attributes:
        rounds: windows of each kind.
        seconds: the least that a window lasts.
        wall_steps: steps of the whole process; None: as many as RUN measured; 0: there is none.
        raw: whether to time the tutorial's loop too.
    """

    rounds: int = 5
    seconds: float = 1.0
    wall_steps: int | None = None
    raw: bool = False


@dataclass
class Measured:
    """What was measured.

    Attributes:
        rates: images a second of each round, by `sol`, `loader`, `run` and, where asked for, `raw`.
        wall: images a second of a whole process, from its start to its end; None: none was started.
        wall_steps: the steps that it made.
        shares_cores: whether the input runs on the cores that compute the step, one after the other.
        settings: what the figures hold for.
        host_syncs: times a step that the host waited for the device; None where that cannot be told.
        peak_memory: bytes: of the GPU's memory by tensors, or of the process's without a GPU.
        utilization: share of the GPU's peak arithmetic that SOL makes use of; None where it is not known.
    """

    rates: dict[str, list[float]] = field(default_factory=dict)
    wall: float | None = None
    wall_steps: int = 0
    shares_cores: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    host_syncs: float | None = None
    peak_memory: int = 0
    utilization: float | None = None

    def limits(self) -> list[float]:
        """The most that was possible in each round: the slower of the two, or both in series."""
        pairs = zip(self.rates["sol"], self.rates["loader"], strict=True)
        if self.shares_cores:
            return [1 / (1 / sol + 1 / loader) for sol, loader in pairs]
        return [min(pair) for pair in pairs]

    def to_json(self) -> dict[str, Any]:
        """What `bench --json` prints."""
        rates = {name: Rate.of(values).to_json() for name, values in self.rates.items()}
        run, raw = self.rates["run"], self.rates.get("raw")
        return {
            "format": FORMAT,
            "sol": rates["sol"],
            "loader": rates["loader"],
            "limit": Rate.of(self.limits()).to_json(),
            "run": rates["run"],
            "wall": Rate.of([self.wall]).to_json() if self.wall is not None else None,
            "raw": rates.get("raw"),
            "run_over_sol": round(paired_ratio(run, self.rates["sol"]), 4),
            "run_over_limit": round(paired_ratio(run, self.limits()), 4),
            "run_over_raw": round(paired_ratio(run, raw), 4) if raw else None,
            "wall_steps": self.wall_steps,
            "host_syncs_per_step": self.host_syncs,
            "peak_memory_bytes": self.peak_memory,
            "mfu": self.utilization,
            "settings": self.settings,
        }


@nothing_kept("The measurement")
def bench(
    recipe: str | Path,
    *,
    overrides: Sequence[str] = (),
    effort: Effort,
    catalog: Catalog,
    command: Sequence[str] = (sys.executable, "-m", "imgfw", "--quiet"),
    say: Callable[[str], None] = lambda text: None,
) -> Measured:
    """Measure a recipe on this machine; nothing is left behind.

    Args:
        recipe: the recipe's file.
        overrides: changes, as `optimizer.lr=0.01`.
        effort: how long to measure.
        catalog: the plugins to use.
        command: what starts imgfw, up to the verb: WALL is measured on a process of its own.
        say: told how the work goes.

    Raises:
        ImgfwError: the recipe cannot be run; as `imgfw run` would say. A run that the message names is kept.
        InterruptedRun: a signal came.
    """
    resolved = check(read_recipe(recipe, overrides), catalog).recipe
    data = build_data(resolved, Quarantine())
    batches = batch_plan(resolved, data)
    measured = Measured()
    course = _course(measured, resolved, data, effort, say)
    next(course)
    windows = LiveWindows(effort.seconds, batches, course.send)
    with temporary_folder("imgfw-bench-") as folder:
        changes = [*overrides, f"output_dir={folder}", *_ENDLESS]
        with suppress(_CompleteError), closing(course):
            run(recipe, overrides=changes, callbacks=[windows], catalog=catalog, quiet=True)
        if effort.wall_steps is not None:
            measured.wall_steps = effort.wall_steps
        if measured.wall_steps:
            say(f"a whole process of {counted(measured.wall_steps, 'step')}")
            changes[-1] = f"train.steps={measured.wall_steps}"
            seconds = _seconds_of([*command, "run", str(recipe)], changes)
            measured.wall = _images_of(batches, measured.wall_steps) / seconds
    return measured


class _CompleteError(Exception):
    """Everything is measured: ends the run that was timed."""


def _course(
    measured: Measured, resolved: ResolvedRecipe, data: Data, effort: Effort, say: Callable[[str], None]
) -> Generator[None, Stretch, None]:
    """What is done while the run stands still between its windows, in this order; sent is the window."""
    device = choose_device(resolved.recipe.train.device)
    say("warming up")
    yield
    measured.peak_memory = _peak_memory(device)  # of the run alone: nothing else is in memory yet
    if device.type == "cuda":
        measured.host_syncs = yield from _host_syncs()
    parts = build_parts(resolved, data, device)
    cache_images(parts, Console(quiet=True))
    rates = measured.rates
    with parts.supplied():
        step = BareStep.on_resident(parts)
        windows = _windows(parts, step, effort)
        for number in range(effort.rounds):
            stretch = yield
            measured.wall_steps += stretch.steps
            rates.setdefault("run", []).append(stretch.images / stretch.seconds)
            names = list(windows)
            for name in names[number % len(names) :] + names[: number % len(names)]:
                rates.setdefault(name, []).append(windows[name](effort.seconds))
            say(f"round {number + 1} of {effort.rounds}")
    if parts.precision.name != "fp32":
        measured.utilization = utilization(Rate.of(rates["sol"]).median, step, device)
    measured.settings = _settings(parts)
    measured.shares_cores = device.type == "cpu" and measured.settings["num_workers"] == 0
    raise _CompleteError


def _windows(parts: Parts, step: BareStep, effort: Effort) -> dict[str, Window]:
    """What is timed besides the run, on the same training built once more; each has worked already."""
    device = parts.precision.device
    settle = settling_steps(parts.resolved.to_json())
    windows = {"sol": window_of(step, device, 1), "loader": window_of(delivery_of(parts), device, settle)}
    if effort.raw:
        windows["raw"] = window_of(TutorialLoop(parts.resolved, parts.data, device), device, 1)
    for window in windows.values():
        window(0.0)
    return windows


def _host_syncs() -> Generator[None, Stretch, float]:
    """Count what makes the host wait for the GPU during a window of the run: times a step."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            stretch = yield
        finally:
            torch.cuda.set_sync_debug_mode("default")
    syncs = [entry for entry in caught if "synchronizing CUDA operation" in str(entry.message)]
    return round(len(syncs) / stretch.steps, 3)


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _settings(parts: Parts) -> dict[str, Any]:
    """What the figures hold for, `auto` settled."""
    settled, device = parts.resolved.to_json(), parts.precision.device
    chosen = {
        **{key: settled["train"][key] for key in ("precision", "channels_last", "compile", "accumulate")},
        **{key: settled["loader"][key] for key in ("batch_size", "num_workers")},
    }
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return {"device": name, "threads": torch.get_num_threads(), **chosen}


def _seconds_of(command: Sequence[str], changes: Sequence[str]) -> float:
    """How long a process takes, from its start to its end.

    Raises:
        ImgfwError: it fails, though the same recipe was just trained.
    """
    words = [*command, *(part for change in changes for part in ("--set", change))]
    began = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        _, said = process.communicate()
    finally:
        end(process)
    if process.returncode:
        raise ImgfwError(f"The process that WALL is measured on failed: {' '.join(said.split())}")
    return time.perf_counter() - began


def _images_of(batches: BatchPlan, steps: int) -> int:
    """Images in the first steps of a training."""
    epochs, rest = divmod(steps, batches.steps_per_epoch)
    sizes = [batches.size(step) for step in range(batches.steps_per_epoch)]
    return epochs * sum(sizes) + sum(sizes[:rest])
