"""The time that a training takes to 91 % on Fashion-MNIST, from the start of its process to the end."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from accuracy_process import BATCH_SIZE, EVAL_BATCH_SIZE, LR
from comparison import OURS, leads, times_faster
from fashion import FOLDER, SKIPPED, recipe, unpacked
from imgfw_runs import written
from measuring import Effort, Seconds, Spread, Variant, interleave, timed_process
from page import goals, table

WANTED = 0.91
SCRIPT = Path(__file__).with_name("accuracy_process.py")


@dataclass(frozen=True)
class Ending:
    """How a training ended.

    Attributes:
        accuracy: on the test images, from 0 to 1.
        verdict: what imgfw says of its own speed.
    """

    accuracy: float
    verdict: str = ""


Training = Callable[[Path, int, int], tuple[Seconds, Ending]]
"""Trains in a process, given the data's root, steps and a seed: what it took, and how it ended."""

LIGHTNING, TUTORIAL = "Lightning", "the tutorial's loop"


def imgfw_process(root: Path, steps: int, seed: int) -> tuple[Seconds, Ending]:
    """`imgfw run`: what it took, and how it ended."""
    whole = {
        **recipe(root),
        "name": "run",
        "seed": seed,
        "loader": {"batch_size": BATCH_SIZE, "eval_batch_size": EVAL_BATCH_SIZE},
        "optimizer": {"type": "adam", "lr": LR},
        "scheduler": "one_cycle",
        "train": {"steps": steps, "device": "cpu"},
        "checkpoint": {"monitor": "train/loss"},
    }
    with written(whole) as path:
        place = f"output_dir={json.dumps(str(path.parent))}"
        seconds, _ = timed_process("-m", "imgfw", "--quiet", "run", str(path), "--set", place)
        summary = json.loads((path.parent / "run" / "summary.json").read_text())
    return seconds, Ending(summary["test"]["test/accuracy"], summary["verdict"])


def script_process(loop: str, root: Path, steps: int, seed: int) -> tuple[Seconds, Ending]:
    """A script with another loop: the same."""
    seconds, printed = timed_process(str(SCRIPT), loop, str(root), str(steps), str(seed))
    return seconds, Ending(float(printed.split()[-1]))


def measure(effort: Effort, with_peers: bool = True) -> str:
    """Measure, and write the section of the page.

    Args:
        effort: rounds, and steps of each training.
        with_peers: whether Lightning takes part.
    """
    if not FOLDER.is_dir():
        return SKIPPED
    endings: dict[str, list[Ending]] = {}
    with unpacked() as root:
        trainings = {OURS: imgfw_process, TUTORIAL: partial(script_process, "tutorial")}
        if with_peers:
            trainings[LIGHTNING] = partial(script_process, "lightning")
        chosen = {
            name: noting(training, root, effort.steps, endings.setdefault(name, []))
            for name, training in trainings.items()
        }
        measured = interleave(chosen, effort.rounds, warm_up=0)
    rows = [
        [
            name,
            Spread.of(seconds.wall for seconds in runs).show(".1f"),
            "" if name == OURS else times_faster(measured, name).show(".2f"),
            Spread.of(100 * ending.accuracy for ending in endings[name]).show(".2f"),
            f"{sum(ending.accuracy >= WANTED for ending in endings[name])} of {effort.rounds}",
        ]
        for name, runs in measured.items()
    ]
    header = ["training", "wall s", "imgfw is so many times as fast", "test accuracy, %", "91 % or more"]
    note = _NOTE.format(rounds=effort.rounds, steps=effort.steps)
    wanted = {TUTORIAL: "over 1", LIGHTNING: "over 1"}
    lines = reasons(measured, endings[OURS][-1].verdict)
    return "\n\n".join([note, table(header, rows), *lines, goals(leads(measured, wanted))])


def reasons(measured: Mapping[str, Sequence[Seconds]], verdict: str) -> list[str]:
    """What imgfw says of its own run, where another one was faster."""
    return [
        f"{name[0].upper()}{name[1:]} was faster than imgfw, which says of its own run: {verdict}"
        for name in measured
        if name != OURS and times_faster(measured, name).median < 1
    ]


def noting(training: Training, root: Path, steps: int, endings: list[Ending]) -> Variant:
    """A training as what can be timed, each time with another seed; its endings are noted."""
    seeds = itertools.count()

    def run() -> Seconds:
        seconds, ending = training(root, steps, next(seeds))
        endings.append(ending)
        return seconds

    return run


_NOTE = """\
The same network, data and batches as in the section on Fashion-MNIST, with Adam and a one-cycle schedule of
{steps} steps that was chosen so that it ends above 91 %. {rounds} rounds, interleaved, each with another
seed. Everything counts, from the start of the process to its end: imports, reading the files, building,
training, one test on the 10,000 test images, and what imgfw writes, checkpoints included; the other two write
nothing. imgfw runs as `imgfw run`, with the defaults for what concerns speed; the other two are scripts over
torchvision's dataset and a DataLoader without workers, and read the same unpacked files."""
