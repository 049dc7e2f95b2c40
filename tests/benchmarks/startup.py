"""How long the commands take to begin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from imgfw_runs import written
from measuring import Seconds, Spread, Variant, differences, interleave, timed_process
from page import goals, table

IMPORT, FIRST_STEP = "`import torch, torchvision`", "`imgfw run`, to the end of its first step"

NUM_PLUGINS = 50


def install_plugins(count: int, folder: Path) -> None:
    """Lay out distributions as pip does, each with a plugin that provides one model."""
    for number in range(count):
        module = f"imgfw_plugin_many{number}"
        info = folder / f"{module}-0.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 0.1\n")
        (info / "entry_points.txt").write_text(f"[imgfw]\nplugin = {module}\n")
        (folder / f"{module}.py").write_text(
            "from imgfw import hookimpl\n\n"
            f"def many{number}(info, *, width: int = 8):\n"
            '    """A model of no use."""\n\n'
            "@hookimpl\n"
            "def imgfw_models():\n"
            f"    return [many{number}]\n"
        )


def command(*arguments: str, path: Path | None = None) -> Variant:
    """A Python process with these arguments, from its start to its end; `path` is put on its module path."""
    environment = {**os.environ, "PYTHONPATH": str(path)} if path is not None else None

    return lambda: timed_process(*arguments, environment=environment)[0]


def first_step() -> Seconds:
    """`imgfw run` on the digits, from the start of the process to the end of its first step."""
    recipe = {
        "name": "first",
        "data": "digits",
        "model": "resnet9",
        "callbacks": ["first_step"],
        "split": {"test_fraction": 0.1},
    }
    with written(recipe) as path:
        place = f"output_dir={json.dumps(str(path.parent))}"
        began = time.time()
        subprocess.run(
            [sys.executable, "-m", "imgfw", "--quiet", "run", str(path), "--set", place],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        noted = json.loads((path.parent / "first" / "first_step.json").read_text())
        return Seconds(noted["cpu"], noted["at"] - began)


def measure(rounds: int, light: bool = False) -> str:
    """Measure, and write the section of the page.

    Args:
        rounds: times that each command runs.
        light: leave out what imports torch.
    """
    with tempfile.TemporaryDirectory() as folder:
        install_plugins(NUM_PLUGINS, Path(folder))
        return _measure(rounds, light, Path(folder))


def _measure(rounds: int, light: bool, plugins: Path) -> str:
    variants: dict[str, Variant] = {
        "Python alone": command("-c", "pass"),
        "`imgfw --help`": command("-m", "imgfw", "--help"),
        "`imgfw list-plugins`": command("-m", "imgfw", "list-plugins"),
        f"`imgfw --help`, {NUM_PLUGINS} plugins": command("-m", "imgfw", "--help", path=plugins),
        f"`imgfw list-plugins`, {NUM_PLUGINS} plugins": command("-m", "imgfw", "list-plugins", path=plugins),
    }
    if not light:
        variants |= {IMPORT: command("-c", "import torch, torchvision"), FIRST_STEP: first_step}
    measured = interleave(variants, rounds)
    rows = [
        [name, *(_spread([getattr(seconds, clock) for seconds in runs]) for clock in ("cpu", "wall"))]
        for name, runs in measured.items()
    ]
    section = f"{_NOTE.format(rounds=rounds)}\n\n{table(['command', 'CPU s', 'wall s'], rows)}"
    if light:
        return section
    first, imported = ([seconds.wall for seconds in measured[name]] for name in (FIRST_STEP, IMPORT))
    added = differences(first, imported).show("+.2f")
    goal = "wall seconds of the first step over the import of torch and torchvision"
    return f"{section}\n\n{goals([(goal, '2.5 or less', added)])}"


def _spread(values: list[float]) -> str:
    return Spread.of(values).show(".2f")


_NOTE = """\
Whole processes, with warm file caches; {rounds} rounds, interleaved. The first step is of `resnet9` on
`digits`: finding plugins, reading the recipe, building everything, trying the model, one step."""
