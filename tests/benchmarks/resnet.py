"""ResNet-50 on photographs in JPEG files: imgfw, the tutorial's loop, Lightning, timm's loader, the limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from comparison import compare, leads, limit_table, limits_of, share_of_limit
from image_rate import MEAN, NORMALIZE, STD, folder_of_photos
from imgfw_runs import timed_training
from measuring import Effort, Variant, interleave
from page import goals
from peers import Training, careful_loop, lightning_trainer, tutorial_loop
from torch import nn
from torch.utils.data import DataLoader
from torchvision import models, transforms
from torchvision.datasets import ImageFolder

NUM_CLASSES = 2
LR, MOMENTUM = 0.001, 0.9


@dataclass(frozen=True)
class Job:
    """What is trained.

    Attributes:
        batch_size: images of a step.
        side: height and width of the crops.
        depth: of the network: 18 or 50.
        device: `cpu` or `cuda`.
        num_workers: of the other loops' loaders; timm's has at least its own default.
    """

    batch_size: int = 16
    side: int = 224
    depth: int = 50
    device: str = "cpu"
    num_workers: int = 0


def recipe(root: Path, job: Job) -> dict[str, Any]:
    """The training as a recipe; whatever concerns its speed is left to the defaults."""
    crop = {"type": "random_resized_crop", "size": job.side}
    return {
        "data": {"type": "image_folder", "root": str(root)},
        "split": {"val_fraction": 0.0},
        "loader": {"batch_size": job.batch_size},
        "transforms": {
            "train": [crop, "random_horizontal_flip", NORMALIZE],
            "eval": [{"type": "resize", "size": [job.side, job.side]}, NORMALIZE],
        },
        "model": f"resnet{job.depth}",
        "optimizer": {"type": "sgd", "lr": LR, "momentum": MOMENTUM},
        "train": {"device": job.device, "epochs": 3},
        # Epoch 1 is the best for good, and nothing is written in the background of those that are timed.
        "checkpoint": {"monitor": "train/loss", "mode": "max", "every": 10**6},
    }


def make_model(job: Job) -> tuple[nn.Module, torch.optim.Optimizer]:
    """torchvision's model and the optimizer of the other loops on a CPU."""
    model: nn.Module = getattr(models, f"resnet{job.depth}")(num_classes=NUM_CLASSES)
    return model, torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)


def make_tuned_model(job: Job) -> tuple[nn.Module, torch.optim.Optimizer]:
    """The same in channels last where the job wants it, its optimizer fused."""
    model, _ = make_model(job)
    model.to(job.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model, torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM, fused=True)


def tutorial_batches(root: Path, job: Job) -> Any:
    """The input of the tutorials: PIL images, one by one; without workers in line."""
    convert = transforms.Compose(
        [
            transforms.RandomResizedCrop(job.side),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    return DataLoader(
        ImageFolder(root, convert),
        batch_size=job.batch_size,
        shuffle=True,
        num_workers=job.num_workers,
        pin_memory=job.device == "cuda",
        persistent_workers=job.num_workers > 0,
    )


def timm_batches(root: Path, job: Job) -> Any:
    """timm's loader with its prefetcher and its transforms, as it makes them but for the colour jitter."""
    from timm.data import create_dataset, create_loader

    return create_loader(
        create_dataset("", root=str(root), is_training=True),
        input_size=(3, job.side, job.side),
        batch_size=job.batch_size,
        is_training=True,
        color_jitter=None,
        num_workers=max(job.num_workers, 1),
        pin_memory=job.device == "cuda",
        device=torch.device(job.device),
    )


def variants(root: Path, job: Job, with_peers: bool) -> dict[str, Variant]:
    """All loops, by what they are called in the table."""

    def make() -> tuple[nn.Module, torch.optim.Optimizer]:
        return make_model(job)

    tutorial = Training(make, lambda: tutorial_batches(root, job))
    chosen: dict[str, Variant] = {
        "imgfw": lambda: timed_training(recipe(root, job)),
        TUTORIAL: lambda: tutorial_loop(tutorial),
    }
    if with_peers:
        chosen |= {
            "Lightning": lambda: lightning_trainer(tutorial, log=True),
            TIMM: lambda: tutorial_loop(Training(make, lambda: timm_batches(root, job))),
        }
    return chosen


def tuned_variants(root: Path, job: Job, with_peers: bool) -> dict[str, Variant]:
    """imgfw's defaults, and loops that a careful user has tuned: bf16, channels last, a fused optimizer, one
    worker a core, pinned memory."""

    def training(batches: Callable[[Path, Job], Any]) -> Training:
        make = partial(make_tuned_model, job)
        return Training(make, lambda: batches(root, job), device=job.device, tuned=True)

    chosen: dict[str, Variant] = {
        "imgfw": lambda: timed_training(recipe(root, job)),
        CAREFUL: lambda: careful_loop(training(tutorial_batches)),
    }
    if with_peers:
        chosen |= {
            "Lightning": lambda: lightning_trainer(training(tutorial_batches), log=True),
            TIMM: lambda: careful_loop(training(timm_batches)),
        }
    return chosen


def measure(effort: Effort, job: Job = Job(), with_peers: bool = True, seconds: float = 4.0) -> str:
    """Measure, and write the section of the page.

    Args:
        effort: rounds, and steps of each.
        job: what is trained.
        with_peers: whether Lightning and timm take part.
        seconds: the least that a window of the comparison with the limit lasts.
    """
    images = effort.steps * job.batch_size
    with folder_of_photos(images) as root:
        measured = interleave(variants(root, job, with_peers), effort.rounds)
        limits = limits_of(recipe(root, job), effort.rounds, seconds)
    reached = [("RUN over the limit", "none on a CPU", share_of_limit(limits).show(".3f"))]
    note = _NOTE.format(
        rounds=effort.rounds,
        steps=effort.steps,
        threads=torch.get_num_threads(),
        images=images,
        **vars(job),
    )
    return "\n\n".join(
        [
            note,
            compare(measured, images, limits),
            _LIMIT.format(rounds=effort.rounds, seconds=seconds),
            limit_table(limits),
            goals([*reached, *leads(measured, GOALS)]),
        ]
    )


TUTORIAL, CAREFUL = "the tutorial's loop", "a loop by a careful hand"
TIMM = "a plain loop over timm's `create_loader`"

GOALS = {TUTORIAL: "2.2 or more", "Lightning": "over 1", TIMM: "over 1"}

_NOTE = """\
ResNet-{depth} in batches of {batch_size} on {images} JPEG files of 500x375 pixels in the page cache: random
resized crop to {side}, random flip, normalised; SGD with momentum; {threads} threads. {rounds} rounds,
interleaved, each of two epochs of {steps} steps (imgfw three); the last, in which nothing is saved, is timed
from its start to its end, and ratios of wall time are taken within a round. imgfw's recipe leaves to the
defaults what concerns speed. The tutorial's loop takes torchvision's `ImageFolder` and transforms of PIL
images in a DataLoader without workers, fp32, channels first, and reads the loss each step; Lightning gets the
same DataLoader, and has neither progress bar nor checkpoints. timm's loader has its own defaults, one worker
and the prefetcher among them, without colour jitter. Not counted: building, evaluation, saving."""

_LIMIT = """\
The same recipe beside its limit: {rounds} rounds of windows of {seconds:g} s, as `imgfw bench` takes them.
Workers of the input share the cores with the step, so the limit is more than the cores can give."""
