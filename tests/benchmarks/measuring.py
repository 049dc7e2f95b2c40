"""Timing variants of the same work against each other on a machine that is never quiet."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from imgfw.engine.input.loading import usable_cores


@dataclass(frozen=True)
class Seconds:
    """What a stretch of work took.

    Attributes:
        cpu: time that the process spent computing, which other programs hardly change.
        wall: time that passed.
    """

    cpu: float
    wall: float

    def per(self, count: int) -> Seconds:
        """The share of one of several equal pieces of the work."""
        return Seconds(self.cpu / count, self.wall / count)


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Attributes:
        rounds: times that every variant runs; each round gives one value.
        steps: pieces of work in one run of a variant.
    """

    rounds: int
    steps: int


@dataclass(frozen=True)
class Spread:
    """Several measurements of one thing."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Sum up measurements."""
        listed = list(values)
        return cls(statistics.median(listed), min(listed), max(listed))

    def show(self, pattern: str) -> str:
        """The median and, behind it, the range: `12.3 (11.9..14.0)`."""
        return f"{self.median:{pattern}} ({self.low:{pattern}}..{self.high:{pattern}})"


class Stopwatch:
    """Measures from its making to `read`."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def read(self) -> Seconds:
        """The time since it was made, until a GPU is done with what it was given."""
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        return Seconds(time.process_time() - self._cpu, time.perf_counter() - self._wall)


def timed_process(*arguments: str, environment: Mapping[str, str] | None = None) -> tuple[Seconds, str]:
    """A Python process with these arguments: what it took from its start to its end, and what it printed."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    call = [sys.executable, *arguments]
    done = subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Seconds(cpu, wall), done.stdout


Variant = Callable[[], Seconds]
"""Does the work once and says what the measured part of it took."""


def timed(work: Callable[[], None]) -> Variant:
    """A piece of work as a variant, all of it measured."""

    def run() -> Seconds:
        watch = Stopwatch()
        work()
        return watch.read()

    return run


def interleave(variants: Mapping[str, Variant], rounds: int, warm_up: int = 1) -> dict[str, list[Seconds]]:
    """Run every variant once a round, each round beginning with another one.

    What slows the machine down for a while then slows all variants down, and values of one round can be
    compared. `warm_up` rounds go before, unmeasured.
    """
    names = list(variants)
    measured: dict[str, list[Seconds]] = {name: [] for name in names}
    for number in range(warm_up + rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            seconds = variants[name]()
            if number >= warm_up:
                measured[name].append(seconds)
    return measured


def ratios(ours: list[float], theirs: list[float]) -> Spread:
    """How many times theirs ours is, round by round."""
    return Spread.of(one / other for one, other in zip(ours, theirs, strict=True))


def differences(ours: list[float], theirs: list[float]) -> Spread:
    """By how much ours exceeds theirs, round by round."""
    return Spread.of(one - other for one, other in zip(ours, theirs, strict=True))


def on_all_cores(work: Callable[[], str]) -> str:
    """Do some work while torch computes on every core that this process may use."""
    before = torch.get_num_threads()
    torch.set_num_threads(usable_cores())
    try:
        return work()
    finally:
        torch.set_num_threads(before)
