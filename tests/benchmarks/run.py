"""The benchmarks: `python tests/benchmarks/run.py [step] [fashion] [input] [images] [saving] [startup]`.

All of them write docs/benchmarks.md; a part is printed only.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import fashion
import image_rate
import input_rate
import saving
import startup
import step_cost
import torch
from measuring import Effort
from page import page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"

SECTIONS: dict[str, tuple[str, Callable[[], str]]] = {
    "step": ("What the loop adds to a step", lambda: step_cost.measure(Effort(rounds=15, steps=500))),
    "fashion": ("A whole training: Fashion-MNIST", lambda: fashion.measure(Effort(rounds=5, steps=50))),
    "input": ("Input: augmented images a second", lambda: input_rate.measure(Effort(rounds=9, steps=32))),
    "images": ("Input: image files", lambda: image_rate.measure(Effort(rounds=5, steps=4))),
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
