"""A whole training on real images, beside a loop written by hand for nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from imgfw_runs import timed_training
from measuring import Effort, Seconds, Spread, Stopwatch, interleave, ratios
from page import table
from torch import Tensor
from torch.nn import functional as F

FOLDER = Path("/usr/share/datasets/fashion-mnist")  # where Debian's package dataset-fashion-mnist puts it
RECIPE = Path(__file__).resolve().parents[2] / "examples" / "fashion_mnist.json"
BATCH_SIZE = 128
SIDE = 28
PADDING = 2
MEAN, STD = 0.28604, 0.35302


def imgfw_training(steps: int) -> Seconds:
    """The example's recipe, without validation and with a larger batch where the time isn't measured."""
    return timed_training(
        RECIPE,
        [
            f"data.root={FOLDER}",
            "data.download=false",
            "split.val_fraction=0",
            "loader.eval_batch_size=1000",
            "train.device=cpu",
            "train.epochs=null",
            f"train.steps={steps}",
            "checkpoint.monitor=train/loss",
        ],
    )


class BareLoop:
    """The same training by hand: the same model class, arithmetic, augmentation, optimizer and schedule."""

    def __init__(self) -> None:
        from imgfw_plugins.datasets.mnist import fashion_mnist

        splits = fashion_mnist(root=FOLDER)
        self._images, self._labels = splits.train.images, splits.train.targets
        self._info = splits.info

    def train(self, steps: int) -> Seconds:
        """Train for some steps of the first epoch."""
        from imgfw_plugins.models.resnet9 import resnet9

        torch.manual_seed(0)
        model = resnet9(self._info, width=16).to(memory_format=torch.channels_last)
        optimizer = torch.optim.SGD(
            model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=0.1, total_steps=steps + 1, cycle_momentum=False
        )
        watch = Stopwatch()
        order = torch.randperm(len(self._images))
        for rows in order[: steps * BATCH_SIZE].split(BATCH_SIZE):
            images = augmented(self._images.index_select(0, rows))
            images = images.contiguous(memory_format=torch.channels_last)
            loss = F.cross_entropy(model(images), self._labels.index_select(0, rows))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
        return watch.read()


def augmented(images: Tensor) -> Tensor:
    """Padded, cropped anew, half of them mirrored, and normalised.

    Args:
        images: uint8 `[B, 1, 28, 28]`.
    """
    size = len(images)
    padded = F.pad(images, (PADDING,) * 4)
    top, left = torch.randint(0, 2 * PADDING + 1, (2, size, 1))
    offsets = torch.arange(SIDE)
    columns = torch.where(torch.rand(size, 1) < 0.5, left + offsets.flip(0), left + offsets)
    rows = top + offsets
    sample = torch.arange(size)[:, None, None]
    cropped = padded[sample, 0, rows[:, :, None], columns[:, None, :]].unsqueeze(1)
    return cropped * (1 / 255 / STD) - MEAN / STD


def measure(effort: Effort) -> str:
    """Measure with one thread and with all, and write the section of the page."""
    if not FOLDER.is_dir():
        return f"Skipped: {FOLDER} is not there (Debian's package `dataset-fashion-mnist` brings it)."
    loop = BareLoop()
    variants = {
        "bare loop": lambda: loop.train(effort.steps),
        "imgfw": lambda: imgfw_training(effort.steps),
    }
    rows = []
    images = effort.steps * BATCH_SIZE
    before = torch.get_num_threads()
    for threads in sorted({1, os.cpu_count() or 1}):
        torch.set_num_threads(threads)
        measured = interleave(variants, effort.rounds)
        for name, runs in measured.items():
            row = [str(threads), name]
            for clock in ("cpu", "wall"):
                ours = [getattr(seconds, clock) for seconds in runs]
                bare = [getattr(seconds, clock) for seconds in measured["bare loop"]]
                row.append(Spread.of(images / value for value in ours).show(",.0f"))
                row.append("" if name == "bare loop" else ratios(ours, bare).show(".3f"))
            rows.append(row)
    torch.set_num_threads(before)
    header = ["threads", "loop", "images per CPU second", "CPU time, ratio", "images/s", "wall time, ratio"]
    return f"{_NOTE.format(rounds=effort.rounds, steps=effort.steps)}\n\n{table(header, rows)}"


_NOTE = """\
`examples/fashion_mnist.json` on Fashion-MNIST: `resnet9` of width 16, batches of 128, random crop and flip,
SGD with Nesterov momentum and weight decay, one-cycle, fp32, channels last. The bare loop is written by hand
for this and nothing else: the same model class and optimizer, torch's `OneCycleLR`, augmentation of whole
batches with one gather for crop and flip together. {rounds} rounds of {steps} steps each, interleaved; ratios
are imgfw's time over the bare loop's within a round. Counted: everything from the start of the epoch to its
last step. Not counted: reading the files, building, evaluation, saving."""
