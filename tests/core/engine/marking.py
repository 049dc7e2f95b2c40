"""A plugin: a dataset and a callback that tell another process how far a run is, through a FIFO."""

from __future__ import annotations

import os
import time
from typing import Literal

import imgfw
import torch


def mark(fifo):
    """Tell whoever listens that this point was reached."""
    end = os.open(fifo, os.O_WRONLY)
    os.write(end, b"x")
    os.close(end)


class Mark(imgfw.Callback):
    """Marks a step."""

    def __init__(self, *, fifo: str, step: int) -> None:
        self.fifo = fifo
        self.step = step

    def on_step_end(self, run):
        """Mark it."""
        if run.step == self.step:
            mark(self.fifo)


class Endless:
    """Samples of which one is marked; whoever comes to it in the main process waits there."""

    def __init__(self, fifo, count):
        self.fifo = fifo
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if self.fifo and index == 70:
            mark(self.fifo)
            time.sleep(600)
        return torch.full((3, 8, 8), index % 256, dtype=torch.uint8), index % 2


class EndlessTargets(Endless):
    """The same, telling targets without images: so they are all checked before anything else."""

    def target(self, index):
        """The class index."""
        if index == 2000:
            mark(self.fifo)
        return index % 2


def endless(*, fifo: str, phase: Literal["listing", "statistics", "targets"]):
    """Data that never ends being read.

    Args:
        fifo: where the point is marked.
        phase: what is marked and lasts.
    """
    if phase == "listing":
        mark(fifo)
        time.sleep(600)
    train = EndlessTargets(fifo, 1_000_000) if phase == "targets" else Endless(fifo, 1000)
    info = imgfw.DatasetInfo(task="classification", classes=("even", "odd"), channels=3, image_size=(8, 8))
    return imgfw.Splits(train=train, val=Endless("", 10), info=info)


@imgfw.hookimpl
def imgfw_datasets():
    """The dataset."""
    return [endless]


@imgfw.hookimpl
def imgfw_callbacks():
    """The callback."""
    return [Mark]
