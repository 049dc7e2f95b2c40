"""The proof at full size: `python -m tests.reliability.run [--rows resume,disks] [--scale 0.02]`.

All of it at full size writes docs/reliability.md; a part is printed only. Two processes, forked from one that
has imported torch, work side by side.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path

import torch

from .page import page
from .rows import ROWS, Job
from .trials import Trial, problems_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
PROCESSES = 2


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for, all by default; 1 if anything failed."""
    parser = argparse.ArgumentParser(description="Prove that no run is lost and no result changed.")
    parser.add_argument("--rows", default=",".join(ROWS), help=f"of {', '.join(ROWS)}")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the trials")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    chosen = given.rows.split(",")
    if unknown := [name for name in chosen if name not in ROWS]:
        parser.error(f"there is no row {unknown[0]}; the rows are {', '.join(ROWS)}")
    torch.set_num_threads(1)  # and no pool of threads: processes are forked from this one
    began = time.perf_counter()
    trials = _run(chosen, given.scale, given.seed)
    minutes = (time.perf_counter() - began) / 60
    text = page({name: (ROWS[name].what, trials[name]) for name in chosen}, minutes)
    if chosen == list(ROWS) and given.scale == 1:
        PAGE.write_text(text, encoding="utf-8")
    else:
        print(text)
    problems = [problem for name in chosen for problem in problems_of(trials[name])]
    print(*problems, sep="\n", file=sys.stderr)
    return int(bool(problems))


def _run(names: Sequence[str], scale: float, seed: int) -> dict[str, list[Trial]]:
    """The trials of each row."""
    trials: dict[str, list[Trial]] = {name: [] for name in names}
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("fork")) as pool:
        futures = [
            (name, pool.submit(job.work, job.count, seed + number))
            for name in names
            for number, job in enumerate(_scaled(ROWS[name].jobs, scale))
        ]
        for name, future in futures:
            trials[name] += future.result()
            print(f"{name}: {len(trials[name])} trials", file=sys.stderr, flush=True)
    return trials


def _scaled(jobs: Sequence[Job], scale: float) -> list[Job]:
    """Jobs with a share of the trials; none without one, and at least one."""
    ends = [0, *(round(end * scale) for end in accumulate(job.count for job in jobs))]
    counts = [end - start for start, end in pairwise(ends)]
    scaled = [replace(job, count=count) for job, count in zip(jobs, counts, strict=True) if count]
    return scaled or [replace(jobs[0], count=1)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
