"""What is asked of learning-rate schedules."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from imgfw.contract.callback import Plan
from imgfw.engine.parameters import parameter_groups
from imgfw.engine.saving.state import decode, encode
from imgfw.engine.schedule import Schedule
from imgfw.recipe.checking import monitors
from imgfw.recipe.schema import SchedulerCore
from imgfw.testing.samples import info_of
from imgfw.testing.subject import Subject

_LONG = Plan(total_steps=23, steps_per_epoch=5, epochs=5, modes={"val/loss": "min"})
_SHORT = Plan(total_steps=1, steps_per_epoch=1, epochs=1, modes={"val/loss": "min"})


class _Training:
    """A training of which there is nothing but the schedule."""

    def __init__(self, subject: Subject, plan: Plan) -> None:
        self._subject = subject
        self._plan = plan
        groups = parameter_groups(nn.Linear(2, 2), decay_norm_and_bias=False)
        self.optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
        scheduler = subject.build(info_of(subject.tasks[0]), optimizer=self.optimizer, plan=plan)
        named = list(monitors(subject.node).values())
        wants = subject.provider.about.wants_metric
        subject.expect(
            not wants or bool(named),
            "it states wants_metric, but has no setting that is an imgfw.Monitor, the metric's name.",
        )
        self._monitor = named[0] if wants else None
        self.schedule = Schedule(scheduler, self.optimizer, plan, SchedulerCore(), self._monitor)
        self.steps = 0

    def rates(self) -> list[float]:
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def step(self) -> None:
        """One step, and an evaluation at the end of an epoch."""
        self.optimizer.step()
        self.steps += 1
        where = f"step {self.steps} of {self._plan.total_steps}"
        hint = "plan.total_steps steps are made in all, each followed by one of the schedule."
        with self._subject.attempt(f"it fails at {where}", hint):
            self.schedule.step()
            if self._monitor is not None and self.steps % self._plan.steps_per_epoch == 0:
                self.schedule.evaluated({self._monitor: 1.0})


def total_steps(subject: Subject) -> None:
    """Every step of a run has a rate, finite and not negative, and 0 at the ends only."""
    for plan in (_LONG, _SHORT):
        training = _Training(subject, plan)
        for step in range(plan.total_steps):
            rates = training.rates()
            place = f"the rate of step {step + 1} of {plan.total_steps}"
            subject.expect(
                all(math.isfinite(rate) and rate >= 0 for rate in rates),
                f"{place} is {rates}. A rate is a number, 0 or more.",
            )
            subject.expect(
                any(rates) or step in (0, plan.total_steps - 1),
                f"{place} is 0: it ends early, and nothing would be learned from there on. "
                "Stretch it over plan.total_steps.",
            )
            training.step()


def state_dict(subject: Subject) -> None:
    """A schedule that is restored midway goes on with the same rates."""
    straight = _Training(subject, _LONG)
    for _ in range(_LONG.total_steps // 2):
        straight.step()
    with subject.attempt("its state_dict cannot be saved"):
        saved: Any = decode(*encode([straight.optimizer.state_dict(), straight.schedule.state_dict()]))
    resumed = _Training(subject, _LONG)
    resumed.steps = straight.steps
    with subject.attempt("it cannot take its saved state back"):
        resumed.optimizer.load_state_dict(saved[0])
        resumed.schedule.load_state_dict(saved[1])
    for step in range(straight.steps, _LONG.total_steps):
        rates = straight.rates(), resumed.rates()
        subject.expect(
            rates[0] == rates[1],
            f"restored after step {_LONG.total_steps // 2}, its rate at step {step + 1} is "
            f"{rates[1][0]:.6g}, not {rates[0][0]:.6g}. Its state_dict lacks something that rates depend on.",
        )
        straight.step()
        resumed.step()
