"""The one-cycle schedule."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from imgfw import Ge, Gt, Lt

from imgfw_plugins.schedulers.curve import follow

if TYPE_CHECKING:
    from imgfw import Plan
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


def one_cycle(
    optimizer: Optimizer,
    plan: Plan,
    *,
    max_lr: Annotated[float, Gt(0)] | None = None,
    pct_start: Annotated[float, Gt(0), Lt(1)] = 0.3,
    anneal_strategy: Literal["cos", "linear"] = "cos",
    div_factor: Annotated[float, Gt(0)] = 25.0,
    final_div_factor: Annotated[float, Gt(0)] = 1e4,
    cycle_momentum: bool = False,
    base_momentum: Annotated[float, Ge(0), Lt(1)] = 0.85,
    max_momentum: Annotated[float, Ge(0), Lt(1)] = 0.95,
) -> LRScheduler:
    """Up to a high rate, then down to almost nothing, once over the whole run.

    The same curve as torch's `OneCycleLR`. Source: Smith and Topin, "Super-Convergence", 2018.

    Args:
        max_lr: the highest learning rate; the optimizer's own when left out. Groups with rates of their own
            keep their proportion.
        pct_start: share of the run in which the rate rises.
        anneal_strategy: the shape of both flanks, half a cosine wave or a straight line.
        div_factor: the run begins at the highest rate divided by this.
        final_div_factor: the run ends at the rate it began with divided by this.
        cycle_momentum: let the momentum (Adam: the first beta) fall while the rate rises, and rise while it
            falls. Unlike in torch it is off unless asked for, so that the optimizer's own setting holds.
        base_momentum: the lowest momentum.
        max_momentum: the highest momentum.

    Raises:
        ValueError: for `cycle_momentum` with an optimizer that has no momentum.
    """
    highest = max(group["lr"] for group in optimizer.param_groups)
    peak_factor = max_lr / highest if max_lr else 1.0

    def between(start: float, peak: float, end: float, step: int) -> float:
        return _interpolate(start, peak, end, step, plan.total_steps, pct_start, anneal_strategy)

    def curve(base: float, step: int) -> float:
        peak = base * peak_factor
        start = peak / div_factor
        return between(start, peak, start / final_div_factor, step)

    if not cycle_momentum:
        return follow(curve, optimizer)
    _refuse_without_momentum(optimizer)
    return follow(
        curve, optimizer, momentum=lambda step: between(max_momentum, base_momentum, max_momentum, step)
    )


def _interpolate(
    start: float, peak: float, end: float, step: int, total_steps: int, pct_start: float, shape: str
) -> float:
    """Where a value that goes from `start` over `peak` to `end` is at a step."""
    last = total_steps - 1
    turn = max(pct_start * total_steps - 1, 0.0)
    if step < turn:
        before, after, share = start, peak, step / turn
    else:
        before, after = peak, end
        share = min((step - turn) / (last - turn), 1.0) if last > turn else 0.0
    if shape == "cos":
        share = (1 - math.cos(math.pi * share)) / 2
    return before + (after - before) * share


def _refuse_without_momentum(optimizer: Optimizer) -> None:
    group = optimizer.param_groups[0]
    if "betas" not in group and not group.get("momentum"):
        raise ValueError(
            "cycle_momentum is true, but the optimizer has no momentum; give it one or leave this out"
        )
