"""A small network on small images: imgfw, loops written by hand, other frameworks, and the limit."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accuracy_process import BATCH_SIZE, MEAN, STD, make_small_cnn, torchvision_split
from comparison import compare, leads, limit_table, limits_of, share_of_limit
from imgfw_runs import PLUGIN, timed_training
from measuring import Effort, Seconds, Spread, Stopwatch, Variant, interleave
from page import goals
from peers import Training, accelerate_loop, fastai_learner, lightning_trainer, tutorial_loop
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset
from torchvision.datasets import FashionMNIST

FOLDER = Path("/usr/share/datasets/fashion-mnist")  # where Debian's package dataset-fashion-mnist puts it
SKIPPED = f"Skipped: {FOLDER} is not there (Debian's package `dataset-fashion-mnist` brings it)."
LR = 0.001


@contextmanager
def unpacked() -> Iterator[Path]:
    """The dataset as torchvision wants it: a root with the files in `FashionMNIST/raw`, not packed."""
    with tempfile.TemporaryDirectory() as root:
        raw = Path(root) / "FashionMNIST" / "raw"
        raw.mkdir(parents=True)
        for packed in FOLDER.glob("*.gz"):
            (raw / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
        yield Path(root)


def recipe(root: Path) -> dict[str, Any]:
    """The training as a recipe; whatever concerns its speed is left to the defaults."""
    normalize = {"type": "normalize", "mean": [MEAN], "std": [STD]}
    return {
        "plugins": [PLUGIN],
        "data": {"type": "fashion_mnist", "root": str(root)},
        "split": {"val_fraction": 0.0},
        "loader": {"batch_size": BATCH_SIZE},
        "transforms": {"train": [normalize], "eval": [normalize]},
        "model": "small_cnn",
        "optimizer": {"type": "adam", "lr": LR},
        "train": {"device": "cpu"},
    }


def imgfw_training(root: Path, steps: int) -> Seconds:
    """The first steps of imgfw's first epoch."""
    changes = ["train.epochs=null", f"train.steps={steps}", "loader.eval_batch_size=1000"]
    return timed_training(recipe(root), [*changes, "checkpoint.monitor=train/loss"])


def as_in_tutorials(root: Path, steps: int) -> Training:
    """The training as the tutorials write it."""
    samples = Subset(torchvision_split(str(root), train=True), range(steps * BATCH_SIZE))

    def make() -> tuple[nn.Module, torch.optim.Optimizer]:
        model = make_small_cnn()
        return model, torch.optim.Adam(model.parameters(), lr=LR)

    return Training(make, lambda: DataLoader(samples, batch_size=BATCH_SIZE, shuffle=True), epochs=1)


def bare_loop(root: Path, steps: int) -> Variant:
    """The training by a careful hand: data in one tensor, a gather a batch, channels last, fused Adam."""
    split = FashionMNIST(root, train=True)
    images, labels = split.data.unsqueeze(1), split.targets

    def run() -> Seconds:
        model = make_small_cnn().to(memory_format=torch.channels_last)
        optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=True)
        watch = Stopwatch()
        for rows in torch.randperm(len(images))[: steps * BATCH_SIZE].split(BATCH_SIZE):
            batch = images.index_select(0, rows).float().sub_(255 * MEAN).div_(255 * STD)
            loss = F.cross_entropy(
                model(batch.contiguous(memory_format=torch.channels_last)), labels.index_select(0, rows)
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        return watch.read()

    return run


def variants(root: Path, steps: int, with_peers: bool) -> dict[str, Variant]:
    """All loops, by what they are called in the table."""
    training = as_in_tutorials(root, steps)
    chosen: dict[str, Variant] = {
        "imgfw": lambda: imgfw_training(root, steps),
        BARE: bare_loop(root, steps),
        TUTORIAL: lambda: tutorial_loop(training),
    }
    if with_peers:
        chosen |= {
            "accelerate": lambda: accelerate_loop(training, own_loader=True),
            "fastai": lambda: fastai_learner(training),
            "Lightning": lambda: lightning_trainer(training, log=True),
        }
    return chosen


def measure(effort: Effort, with_peers: bool = True, seconds: float = 1.0) -> str:
    """Measure, and write the section of the page.

    Args:
        effort: rounds, and steps of each.
        with_peers: whether the frameworks take part.
        seconds: the least that a window of the comparison with the limit lasts.
    """
    if not FOLDER.is_dir():
        return SKIPPED
    with unpacked() as root:
        measured = interleave(variants(root, effort.steps, with_peers), effort.rounds)
        limits = limits_of(recipe(root), effort.rounds, seconds)
    reached = [("RUN over the limit", "0.93 or more", share_of_limit(limits).show(".3f"))]
    images = effort.steps * BATCH_SIZE
    theirs = Spread.of(images / seconds.wall for seconds in measured[TUTORIAL]).median
    most = Spread.of(rate / theirs for rate in limits.rates["sol"])
    reached.append((f"SOL over {TUTORIAL}", "none: no loop with this step is faster", most.show(".2f")))
    return "\n\n".join(
        [
            _NOTE.format(rounds=effort.rounds, steps=effort.steps, threads=torch.get_num_threads()),
            compare(measured, images, limits),
            _LIMIT.format(rounds=effort.rounds, seconds=seconds),
            limit_table(limits),
            goals([*reached, *leads(measured, GOALS)]),
        ]
    )


BARE, TUTORIAL = "a loop by a careful hand", "the tutorial's loop"

GOALS = {TUTORIAL: "4.7: its own step, on resident data", "fastai": "over 1", "Lightning": "over 1"}

_NOTE = """\
Fashion-MNIST in batches of 128, normalised: two convolutions and two linear layers, Adam; {threads} threads.
{rounds} rounds of the first {steps} steps of an epoch, interleaved; ratios of wall time are taken within a
round. imgfw's recipe leaves to the defaults what concerns speed. The tutorial's loop takes PIL images from
torchvision, makes them tensors and normalises them one by one, in a DataLoader without workers, fp32, and
reads the loss each step. accelerate, fastai and Lightning get the same dataset and DataLoader, and have
neither progress bar nor checkpoints; Lightning logs the loss each step, as its documentation does. The loop
by a careful hand does the least that trains this model, fp32. Not counted: reading the files, building,
evaluation, saving."""

_LIMIT = """\
The same recipe beside its limit: {rounds} rounds of windows of {seconds:g} s, as `imgfw bench` takes them.
imgfw's input and step work one after the other on the same cores, so the limit is what both take together."""
