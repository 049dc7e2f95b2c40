"""How long the commands take to begin."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from imgfw_runs import PLUGIN
from measuring import Seconds, Spread, Variant, differences, interleave
from page import table

IMPORT, FIRST_STEP = "`import torch, torchvision`", "`imgfw run`, to the end of its first step"


def command(*arguments: str) -> Variant:
    """A Python process with these arguments, from its start to its end."""

    def run() -> Seconds:
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        wall = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Seconds(cpu, wall)

    return run


def first_step() -> Seconds:
    """`imgfw run` on the digits, from the start of the process to the end of its first step."""
    recipe = {
        "plugins": [PLUGIN],
        "data": "digits",
        "model": "resnet9",
        "callbacks": ["first_step"],
        "split": {"test_fraction": 0.1},
    }
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "first.json").write_text(json.dumps({**recipe, "output_dir": folder}))
        began = time.time()
        subprocess.run(
            [sys.executable, "-m", "imgfw", "--quiet", "run", str(place / "first.json")],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        noted = json.loads((place / "first" / "first_step.json").read_text())
        return Seconds(noted["cpu"], noted["at"] - began)


def measure(rounds: int, light: bool = False) -> str:
    """Measure, and write the section of the page.

    Args:
        rounds: times that each command runs.
        light: leave out what imports torch.
    """
    variants: dict[str, Variant] = {
        "Python alone": command("-c", "pass"),
        "`imgfw --help`": command("-m", "imgfw", "--help"),
        "`imgfw list-plugins`": command("-m", "imgfw", "list-plugins"),
    }
    if not light:
        variants |= {IMPORT: command("-c", "import torch, torchvision"), FIRST_STEP: first_step}
    measured = interleave(variants, rounds)
    rows = [
        [name, *(_spread([getattr(seconds, clock) for seconds in runs]) for clock in ("cpu", "wall"))]
        for name, runs in measured.items()
    ]
    if not light:
        added = [
            differences(
                [getattr(seconds, clock) for seconds in measured[FIRST_STEP]],
                [getattr(seconds, clock) for seconds in measured[IMPORT]],
            ).show("+.2f")
            for clock in ("cpu", "wall")
        ]
        rows.append(["the first step, over the import of torch and torchvision", *added])
    return f"{_NOTE.format(rounds=rounds)}\n\n{table(['command', 'CPU s', 'wall s'], rows)}"


def _spread(values: list[float]) -> str:
    return Spread.of(values).show(".2f")


_NOTE = """\
Whole processes, with warm file caches; {rounds} rounds, interleaved. The first step is of `resnet9` on
`digits`: finding plugins, reading the recipe, building everything, trying the model, one step."""
