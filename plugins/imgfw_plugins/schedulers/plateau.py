"""The schedule that waits for a metric to stop improving."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from imgfw import Ge, Gt, Lt, Monitor, about

from imgfw_plugins.schedulers.curve import refuse_rise

if TYPE_CHECKING:
    from imgfw import Plan
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


@about(wants_metric=True)
def reduce_on_plateau(
    optimizer: Optimizer,
    plan: Plan,
    *,
    monitor: Monitor = "val/loss",
    mode: Literal["min", "max"] | None = None,
    factor: Annotated[float, Gt(0), Lt(1)] = 0.1,
    patience: Annotated[int, Ge(0)] = 10,
    min_delta: Annotated[float, Ge(0)] = 0.0,
    cooldown: Annotated[int, Ge(0)] = 0,
    min_lr: Annotated[float, Ge(0)] = 0.0,
) -> LRScheduler:
    """Times `factor` when a metric has stopped improving.

    Judged after every evaluation, as torch's `ReduceLROnPlateau` does. A value that is not a number is no
    improvement.

    Args:
        monitor: what is watched, as `val/loss` or `val/accuracy`.
        mode: whether `min` or `max` is better; the metric's own when left out.
        factor: factor of each drop.
        patience: evaluations without improvement that are let pass; the next one drops the rate.
        min_delta: what counts as an improvement, in the metric's units.
        cooldown: evaluations after a drop that are not judged.
        min_lr: the rate falls no further; groups whose own rate is lower keep theirs.

    Raises:
        ValueError: when `min_lr` is more than the optimizer's rate.
    """
    from torch.optim.lr_scheduler import LRScheduler

    refuse_rise(min_lr, optimizer)
    sign = 1.0 if (mode or plan.modes.get(monitor, "min")) == "max" else -1.0

    class Plateau(LRScheduler):
        """Its state is plain numbers; the rate is `base * factor ** drops`."""

        def __init__(self) -> None:
            self.best: float | None = None
            self.waited = 0
            self.resting = 0
            self.drops = 0
            super().__init__(optimizer)

        def get_lr(self) -> list[float]:
            return [max(base * factor**self.drops, min(min_lr, base)) for base in self.base_lrs]

        def step(self, metric: Any = None) -> None:
            if metric is not None:
                self._judge(float(metric))
            super().step()

        def _judge(self, metric: float) -> None:
            first = self.best is None and not math.isnan(metric)
            if first or (self.best is not None and sign * (metric - self.best) > min_delta):
                self.best = metric
                self.waited = 0
            else:
                self.waited += 1
            if self.resting > 0:
                self.resting -= 1
                self.waited = 0
            if self.waited > patience:
                self.drops += 1
                self.resting = cooldown
                self.waited = 0

    return Plateau()
