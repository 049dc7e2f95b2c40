"""A scheduler from a function of the step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgfw import Plan
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

Curve = Callable[[float, int], float]
"""The learning rate of a group, from its own rate in the optimizer and the number of the step, from 0."""


def follow(curve: Curve, optimizer: Optimizer, momentum: Callable[[int], float] | None = None) -> LRScheduler:
    """A scheduler that sets each group's learning rate to a curve.

    Args:
        curve: the learning rate.
        optimizer: the optimizer.
        momentum: the momentum (Adam: the first beta) at a step; None leaves it alone.
    """
    from torch.optim.lr_scheduler import LRScheduler

    class Following(LRScheduler):
        def get_lr(self) -> list[float]:
            return [curve(base, self.last_epoch) for base in self.base_lrs]

        def step(self, epoch: int | None = None) -> None:
            super().step(epoch)
            if momentum is not None:
                for group in self.optimizer.param_groups:
                    _set_momentum(group, momentum(self.last_epoch))

    return Following(optimizer)


def stay(optimizer: Optimizer) -> LRScheduler:
    """A scheduler that leaves the learning rates alone, and counts its steps."""
    from torch.optim.lr_scheduler import LRScheduler

    class Staying(LRScheduler):
        def get_lr(self) -> list[float]:
            return [group["lr"] for group in self.optimizer.param_groups]

        def step(self, epoch: int | None = None) -> None:
            if self.last_epoch < 0:  # the scheduler's own first call, which makes the rest of its state
                super().step(epoch)
            else:
                self.last_epoch += 1

    return Staying(optimizer)


def _set_momentum(group: dict[str, Any], value: float) -> None:
    if "betas" in group:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


def progress(step: int, plan: Plan) -> float:
    """How far a run is at a step: 0 at its first, 1 at its last."""
    return min(step / max(plan.total_steps - 1, 1), 1.0)


def refuse_rise(min_lr: float, optimizer: Optimizer) -> None:
    """See to it that a curve which falls to `min_lr` begins above it.

    Raises:
        ValueError: when it doesn't.
    """
    highest = max(group["lr"] for group in optimizer.param_groups)
    if min_lr > highest:
        raise ValueError(f"min_lr is {min_lr:g}, more than the optimizer's lr {highest:g}")
