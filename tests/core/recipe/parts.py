"""Stand-ins for the built-ins: small providers with every shape of setting; none is ever built."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import imgfw
from imgfw import (
    Callback,
    DatasetDescription,
    Ge,
    Gt,
    Interval,
    Len,
    Monitor,
    Settings,
    Task,
    about,
    hookimpl,
)


class Classification(Task):
    """Classification."""

    default_loss = "cross_entropy"
    default_metrics = ("accuracy",)


class Segmentation(Task):
    """Segmentation."""

    default_metrics = ("mean_iou",)


class Detection(Task):
    """Detection."""

    default_loss = "own_losses"


def _describe_folder(settings: object) -> DatasetDescription:
    return DatasetDescription(task="classification")


@about(describe=_describe_folder)
def folder(*, root: Path, extra: list[Path] | None = None, more: dict[str, Path] | None = None):
    """Images in a folder."""


@about(describe=lambda settings: DatasetDescription(task=settings.task, image_size=(8, 8)))
def digits(*, task: Literal["classification", "segmentation", "detection"] = "classification"):
    """Small images."""


@about(describe=lambda settings: DatasetDescription())
def anything():
    """Data that doesn't tell its task."""


def joined(*, parts: Annotated[list[imgfw.Dataset], Len(1)]):
    """Several datasets as one."""


@about(min_size=32, tasks=("classification",))
def resnet(info, *, width: Annotated[int, Ge(1)] = 64, pretrained: bool | Literal["V1"] | Path = False):
    """A model."""


@about(min_size=lambda settings: settings.width)
def small_net(info, *, width: int = 8, dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.0):
    """A model for images as large as it is wide."""


@about(computes_losses=True, normalizes_input=True)
def detector(info):
    """A model that computes its losses."""


def student(info, *, teacher: imgfw.Model, width: int = 8):
    """A model that learns from another."""


def cross_entropy(info, *, label_smoothing: float = 0.0):
    """Cross-entropy."""


@about(tasks=("segmentation",))
def dice(info, *, smooth: Annotated[float, Gt(0)] = 1.0):
    """Dice."""


@about(couples_batch=True)
def batch_dice(info):
    """Dice of the whole batch."""


@about(sums_own_losses=True)
def own_losses():
    """What the model computed."""


def weighted_sum(*, terms: Annotated[list[imgfw.Loss], Len(1)], weights: list[float] | None = None):
    """Several losses."""


def adamw(parameters, *, lr: Annotated[float, Gt(0)] = 0.001, betas: tuple[float, float] = (0.9, 0.999)):
    """AdamW."""


def sgd(parameters, *, lr: Annotated[float, Gt(0)], nesterov: bool = False):
    """SGD."""


def constant(optimizer):
    """No change."""


@about(wants_metric=True)
def plateau(optimizer, *, monitor: Monitor = "val/loss", mode: Literal["min", "max"] = "min"):
    """Lower when nothing improves."""


class Resize(imgfw.Transform):
    """Resize."""

    def __init__(self, *, size: int | tuple[int, int]) -> None: ...


about(output_size=lambda size, settings: (settings.size, settings.size))(Resize)


def normalize(info, *, stats: str = "imagenet"):
    """Normalise."""


class Range(Settings):
    """A range."""

    low: float = 0.0
    high: float


def jitter(*, brightness: Range | None = None, order: list[Literal["hue", "gamma"]] = ["hue"]):  # noqa: B006
    """Change colours."""


@about(results=lambda settings: {"accuracy": "max", "top5": "max"})
def accuracy(info):
    """Accuracy."""


@about(tasks=("segmentation",))
def mean_iou(info):
    """Mean IoU."""


class EarlyStopping(Callback):
    """Stop early."""

    def __init__(
        self, *, monitor: Monitor, mode: Literal["min", "max"] | None = None, patience: int = 5
    ) -> None: ...


class Watch(Callback):
    """Watch a value, if any."""

    def __init__(self, *, monitor: Monitor | None = None) -> None: ...


@hookimpl
def imgfw_tasks():
    return [Classification, Segmentation, Detection]


@hookimpl
def imgfw_datasets():
    return [folder, digits, anything, joined]


@hookimpl
def imgfw_transforms():
    return [Resize, normalize, jitter]


@hookimpl
def imgfw_models():
    return [resnet, small_net, detector, student]


@hookimpl
def imgfw_losses():
    return [cross_entropy, dice, batch_dice, own_losses, weighted_sum]


@hookimpl
def imgfw_optimizers():
    return [adamw, sgd]


@hookimpl
def imgfw_schedulers():
    return [constant, plateau]


@hookimpl
def imgfw_metrics():
    return [accuracy, mean_iou]


@hookimpl
def imgfw_callbacks():
    return [EarlyStopping, Watch]
