"""timm's schedules that the built-in ones lack: cycles, tanh, and those that stay up until the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from imgfw import Ge, Gt, Interval

from imgfw_plugin_timm.settings import NotNegative

if TYPE_CHECKING:
    from imgfw import Plan
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

Positive = Annotated[float, Gt(0)]


def timm_scheduler(
    optimizer: Optimizer,
    plan: Plan,
    *,
    sched: Literal["cosine", "tanh", "poly", "wsd", "rsqrt"] = "cosine",
    min_lr: NotNegative = 0.0,
    cycles: Annotated[int, Ge(1)] = 1,
    cycle_decay: Annotated[float, Interval(gt=0, le=1)] = 1.0,
    k_decay: Positive = 1.0,
    power: Positive = 1.0,
    decay_share: Annotated[float, Interval(gt=0, le=1)] = 0.2,
    timescale_epochs: Positive = 1.0,
) -> LRScheduler:
    """A schedule of timm, which reaches its end with the last step.

    Warm-up is the core's: `warmup_epochs`.

    Args:
        optimizer: whose rates it sets.
        plan: how long the run is.
        sched: `cosine` (Loshchilov and Hutter 2017, arXiv:1608.03983), `tanh` (Hsueh et al. 2018,
            arXiv:1806.01593), `poly`, `wsd` (warm-up, stable, decay: Hu et al. 2024, arXiv:2404.06395) or
            `rsqrt` (falls with the root of the time, then to the end; Zhai et al. 2022, arXiv:2106.04560).
        min_lr: the rate at the end.
        cycles: of cosine, tanh and poly: how often it starts over.
        cycle_decay: factor of the rate from one cycle to the next.
        k_decay: of cosine and poly: above 1 it stays high for longer (Zhang and Li 2020, arXiv:2004.05909).
        power: of poly: the exponent.
        decay_share: of wsd and rsqrt: the share of the run that the fall at its end takes.
        timescale_epochs: of rsqrt: after how many epochs the rate is down to the root of a half.
    """
    from timm import scheduler as timm_schedulers

    last = max(plan.total_steps - 1, 1)
    cycling = {"t_initial": last / cycles, "cycle_limit": cycles, "cycle_decay": cycle_decay}
    falling = {"t_initial": last, "decay_t": max(round(decay_share * last), 1)}
    timescale = timescale_epochs * plan.steps_per_epoch
    name, arguments = {
        "cosine": ("CosineLRScheduler", {**cycling, "k_decay": k_decay}),
        "tanh": ("TanhLRScheduler", cycling),
        "poly": ("PolyLRScheduler", {**cycling, "k_decay": k_decay, "power": power}),
        "wsd": ("WSDLRScheduler", falling),
        "rsqrt": (
            "WSDLRScheduler",
            {**falling, "stable_fn": "rsqrt", "stable_timescale": timescale, "decay_fn": "linear"},
        ),
    }[sched]
    return _stepped(getattr(timm_schedulers, name)(optimizer, lr_min=min_lr, t_in_epochs=False, **arguments))


def _stepped(schedule: Any) -> LRScheduler:
    """One of timm's schedules, which are told the step, as one of torch's, which count for themselves."""
    from torch.optim.lr_scheduler import LRScheduler

    class Stepped(LRScheduler):
        def get_lr(self) -> list[float]:
            schedule.step_update(self.last_epoch)
            return [group["lr"] for group in self.optimizer.param_groups]

    return Stepped(schedule.optimizer)
