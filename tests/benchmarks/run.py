"""The benchmarks: `python tests/benchmarks/run.py [PART]...`; `--help` names the parts.

All of them write docs/benchmarks.md; a part is printed only.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import accuracy
import fashion
import image_rate
import input_rate
import resnet
import saving
import settings
import startup
import step_cost
import torch
from measuring import Effort, on_all_cores
from page import page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"

SECTIONS: dict[str, tuple[str, Callable[[], str]]] = {
    "fashion": (
        "A small network on Fashion-MNIST",
        lambda: on_all_cores(lambda: fashion.measure(Effort(rounds=5, steps=100))),
    ),
    "resnet": (
        "ResNet-50 on JPEG files",
        lambda: on_all_cores(lambda: resnet.measure(Effort(rounds=3, steps=3))),
    ),
    "accuracy": (
        "The time to 91 % on Fashion-MNIST",
        lambda: accuracy.measure(Effort(rounds=3, steps=4 * 469)),
    ),
    "step": ("What the loop adds to a step", lambda: step_cost.measure(Effort(rounds=15, steps=500))),
    "input": ("Input: augmented images a second", lambda: input_rate.measure(Effort(rounds=9, steps=32))),
    "images": ("Input: image files", lambda: image_rate.measure(Effort(rounds=5, steps=4))),
    "settings": (
        "Number formats: what `auto` and `imgfw tune` choose",
        lambda: on_all_cores(lambda: settings.measure(rounds=5, seconds=0.7, budget=8.0)),
    ),
    "saving": ("What a checkpoint costs", lambda: saving.measure(Effort(rounds=15, steps=1))),
    "startup": ("Start-up", lambda: startup.measure(rounds=7)),
}
"""Each part's title on the page, and what measures it."""


def main(arguments: list[str]) -> None:
    """Measure what is asked for, all by default."""
    parser = argparse.ArgumentParser(description="Measure imgfw; nothing is judged.")
    parser.add_argument("sections", nargs="*", metavar="PART", help=f"of {', '.join(SECTIONS)}; default: all")
    chosen = parser.parse_args(arguments).sections or list(SECTIONS)
    unknown = [name for name in chosen if name not in SECTIONS]
    if unknown:
        parser.error(f"there is no part {unknown[0]}; the parts are {', '.join(SECTIONS)}")
    torch.set_num_threads(1)
    written = {}
    for name in chosen:
        title, measure = SECTIONS[name]
        began = time.perf_counter()
        print(f"{name} ...", file=sys.stderr, flush=True)
        written[title] = measure()
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    text = page(written)
    print(text)
    if set(chosen) == set(SECTIONS):
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
