"""Measuring rates: windows of work, timed one after the other in turn, and what several of them say."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import torch

from imgfw.contract.wording import rounded_rate

Window = Callable[[float], float]
"""Works for about so many seconds, and returns the images a second."""


@dataclass(frozen=True)
class Rate:
    """Images a second, over several windows."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Rate:
        """Sum up windows; at least one."""
        listed = list(values)
        return cls(statistics.median(listed), min(listed), max(listed))

    def to_json(self) -> dict[str, float]:
        """The three figures, to a tenth of an image; small ones to four digits that count."""
        return {name: rounded_rate(value) for name, value in asdict(self).items()}


def synchronize(device: torch.device) -> None:
    """Wait until a device has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def window_of(work: Callable[[], int], device: torch.device, settle: int = 0) -> Window:
    """A window that repeats a piece of work, once at least.

    Args:
        work: does it, and returns how many images it was.
        device: what has to be done with it when the window ends.
        settle: pieces that are done before the clock starts.
    """

    def window(seconds: float) -> float:
        for _ in range(settle):
            work()
        synchronize(device)
        began, images = time.perf_counter(), work()
        while time.perf_counter() - began < seconds:
            images += work()
        synchronize(device)
        return images / (time.perf_counter() - began)

    return window


def interleave(windows: Mapping[str, Window], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Time every window once a round, each round beginning with another one.

    What slows the machine down for a while then slows all of them down, and values of one round compare.
    """
    names = list(windows)
    rates: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            rates[name].append(windows[name](seconds))
    return rates


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """How many times theirs ours is: the median over the rounds."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
