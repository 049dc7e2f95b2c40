"""The hooks: a plugin implements those it wants, and returns a list of providers from each.

A provider is a function or a class. Its name is the component's name (a class's in snake case), the first
line of its docstring is the description, parameters before the star come from imgfw, parameters after the
star are the settings that a recipe may give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pluggy

Provider = Callable[..., Any]

API_VERSION = 1
"""The version of the plugin API: it goes up when something is added to what plugins may use.

A plugin's module may say in `IMGFW_API` which version it was written for.
"""

hookspec = pluggy.HookspecMarker("imgfw")
hookimpl = pluggy.HookimplMarker("imgfw")
"""Marks a plugin's function as the implementation of the hook of its name."""


@hookspec
def imgfw_tasks() -> Iterable[Provider]:  # type: ignore[empty-body]
    """Tasks: what targets and predictions mean, as `class Classification(imgfw.Task)`."""


@hookspec
def imgfw_datasets() -> Iterable[Provider]:  # type: ignore[empty-body]
    """Datasets: `def cifar10(*, root: Path) -> imgfw.Splits`."""


@hookspec
def imgfw_transforms() -> Iterable[Provider]:  # type: ignore[empty-body]
    """Transforms: `class RandomHorizontalFlip(imgfw.Transform)`, or a function that returns a callable."""


@hookspec
def imgfw_models() -> Iterable[Provider]:  # type: ignore[empty-body]
    """Models: `def resnet50(info, *, pretrained: bool = False) -> torch.nn.Module`."""


@hookspec
def imgfw_losses() -> Iterable[Provider]:  # type: ignore[empty-body]
    """Losses: `def cross_entropy(info, *, label_smoothing: float = 0.0)`, returning a criterion."""


@hookspec
def imgfw_optimizers() -> Iterable[Provider]:  # type: ignore[empty-body]
    """Optimizers: `def sgd(parameters, *, lr: float) -> torch.optim.Optimizer`."""


@hookspec
def imgfw_schedulers() -> Iterable[Provider]:  # type: ignore[empty-body]
    """Learning-rate schedules: `def cosine(optimizer, plan, *, min_lr: float = 0.0)`."""


@hookspec
def imgfw_metrics() -> Iterable[Provider]:  # type: ignore[empty-body]
    """Metrics: `def accuracy(info) -> torchmetrics.Metric`."""


@hookspec
def imgfw_callbacks() -> Iterable[Provider]:  # type: ignore[empty-body]
    """Callbacks: `class EarlyStopping(imgfw.Callback)`."""
