"""The learning rate: the recipe's scheduler, and the core's warm-up over it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch

from imgfw.contract.callback import Plan
from imgfw.recipe.schema import SchedulerCore


class Schedule:
    """Steps a scheduler and multiplies what it says by the warm-up.

    The scheduler always sees its own rates: the warm-up is taken out before it is stepped, and put on after.

    Args:
        scheduler: a scheduler stepped once an optimizer step, or with a metric after evaluation.
        optimizer: its optimizer.
        plan: the run's length.
        core: the warm-up's settings.
        monitor: the metric that the scheduler wants, if any.
    """

    def __init__(
        self,
        scheduler: Any,
        optimizer: torch.optim.Optimizer,
        plan: Plan,
        core: SchedulerCore,
        monitor: str | None,
    ) -> None:
        self._scheduler = scheduler
        self._optimizer = optimizer
        self._monitor = monitor
        self._factor = core.warmup_factor
        steps = core.warmup_steps
        self._warmup_steps = round(core.warmup_epochs * plan.steps_per_epoch) if steps is None else steps
        self._steps = 0
        # torch warns of a scheduler that is stepped before this very optimizer object; but the first step of
        # a session may be skipped, and a resumed run has a new optimizer.
        optimizer._opt_called = True  # type: ignore[attr-defined]
        self._rates = self._read()
        self._apply()

    @property
    def lr(self) -> float:
        """The learning rate of the first parameter group for the next step."""
        return float(self._optimizer.param_groups[0]["lr"])

    def step(self) -> None:
        """An optimizer step was done."""
        warming = self._warming
        self._steps += 1
        if self._monitor is not None:
            if warming:
                self._apply()
        elif warming:
            self._write(self._rates)
            self._scheduler.step()
            self._rates = self._read()
            self._apply()
        else:
            self._scheduler.step()

    def evaluated(self, metrics: Mapping[str, float]) -> None:
        """An evaluation was done."""
        if self._monitor is not None:
            self._write(self._own_rates())
            self._scheduler.step(metrics[self._monitor])
            self._rates = self._read()
            self._apply()

    def fast_forward(self, steps: int, evaluations: Mapping[int, Mapping[str, float]]) -> None:
        """Follow, from its start, a run of so many steps whose evaluations came after the given ones."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch's, that no optimizer was stepped
            for step in range(1, steps + 1):
                self.step()
                if step in evaluations:
                    self.evaluated(evaluations[step])

    @property
    def _warming(self) -> bool:
        """Whether the optimizer has other rates than the scheduler's own."""
        return self._steps < self._warmup_steps

    def _own_rates(self) -> list[Any]:
        return self._rates if self._warming else self._read()

    def _warmup(self) -> float:
        if not self._warming:
            return 1.0
        return self._factor + (1 - self._factor) * self._steps / self._warmup_steps

    def _read(self) -> list[Any]:
        return [group["lr"] for group in self._optimizer.param_groups]

    def _write(self, rates: list[Any]) -> None:
        for group, rate in zip(self._optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

    def _apply(self) -> None:
        warmup = self._warmup()
        self._write([rate * warmup for rate in self._rates] if warmup != 1.0 else self._rates)

    def state_dict(self) -> dict[str, Any]:
        """What must survive a restart."""
        return {"scheduler": self._scheduler.state_dict(), "steps": self._steps, "rates": self._own_rates()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` returned; the optimizer must have its own state back already."""
        self._scheduler.load_state_dict(state["scheduler"])
        self._steps = state["steps"]
        self._rates = list(state["rates"])
        self._apply()
