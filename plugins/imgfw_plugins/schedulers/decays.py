"""Schedules that fall, or stay."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from imgfw import Ge, Gt, Le, about

from imgfw_plugins.schedulers.curve import follow, progress, refuse_rise, stay

if TYPE_CHECKING:
    from imgfw import Plan
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


def constant(optimizer: Optimizer) -> LRScheduler:
    """The optimizer's own rate, all the time."""
    return stay(optimizer)


def step(
    optimizer: Optimizer,
    plan: Plan,
    *,
    every_epochs: Annotated[float, Gt(0)] = 30.0,
    gamma: Annotated[float, Gt(0), Le(1)] = 0.1,
) -> LRScheduler:
    """Times `gamma` every few epochs.

    Args:
        every_epochs: epochs from one drop to the next; parts of an epoch are possible.
        gamma: factor of each drop.
    """
    period = every_epochs * plan.steps_per_epoch
    return follow(lambda base, step: base * gamma ** math.floor((step + 0.5) / period), optimizer)


@about(example={"milestones": [30, 60, 80]})
def multi_step(
    optimizer: Optimizer,
    plan: Plan,
    *,
    milestones: list[Annotated[float, Gt(0)]],
    gamma: Annotated[float, Gt(0), Le(1)] = 0.1,
) -> LRScheduler:
    """Times `gamma` after each of the given numbers of epochs.

    Args:
        milestones: epochs done when the rate drops; parts of an epoch are possible.
        gamma: factor of each drop.
    """
    drops = [epochs * plan.steps_per_epoch for epochs in milestones]
    return follow(lambda base, step: base * gamma ** sum(step + 0.5 >= drop for drop in drops), optimizer)


def exponential(
    optimizer: Optimizer, plan: Plan, *, gamma: Annotated[float, Gt(0), Le(1)] = 0.95
) -> LRScheduler:
    """Times `gamma` an epoch, a little at every step.

    Args:
        gamma: factor of an epoch.
    """
    return follow(lambda base, step: base * gamma ** (step / plan.steps_per_epoch), optimizer)


def cosine(optimizer: Optimizer, plan: Plan, *, min_lr: Annotated[float, Ge(0)] = 0.0) -> LRScheduler:
    """Half a cosine wave, from the optimizer's rate down to `min_lr` at the last step.

    Source: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017, without the
    restarts.

    Args:
        min_lr: learning rate of the last step; groups whose own rate is lower keep theirs.

    Raises:
        ValueError: when `min_lr` is more than the optimizer's rate.
    """
    refuse_rise(min_lr, optimizer)

    def curve(base: float, step: int) -> float:
        lowest = min(min_lr, base)
        return lowest + (base - lowest) * (1 + math.cos(math.pi * progress(step, plan))) / 2

    return follow(curve, optimizer)


def polynomial(
    optimizer: Optimizer,
    plan: Plan,
    *,
    power: Annotated[float, Gt(0)] = 1.0,
    min_lr: Annotated[float, Ge(0)] = 0.0,
) -> LRScheduler:
    """A power of what is left of the run: 1 falls in a straight line.

    Args:
        power: exponent; 0.9 is common in segmentation.
        min_lr: learning rate of the last step; groups whose own rate is lower keep theirs.

    Raises:
        ValueError: when `min_lr` is more than the optimizer's rate.
    """
    refuse_rise(min_lr, optimizer)

    def curve(base: float, step: int) -> float:
        lowest = min(min_lr, base)
        return lowest + (base - lowest) * (1 - progress(step, plan)) ** power

    return follow(curve, optimizer)
