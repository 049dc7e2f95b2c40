"""Warm-up multiplies whatever the schedule says, and nothing else."""

from __future__ import annotations

import json

import pytest
import torch
from imgfw import Plan
from imgfw.engine.saving.state import decode, encode
from imgfw.engine.schedule import Schedule
from imgfw.recipe.schema import SchedulerCore
from imgfw_plugins.schedulers import PROVIDERS

PLAN = Plan(total_steps=24, steps_per_epoch=6, epochs=4, modes={"val/loss": "min"})
SETTINGS = {
    "step": {"every_epochs": 0.5},
    "multi_step": {"milestones": [0.5, 1, 2]},
    "reduce_on_plateau": {"patience": 0},
}
BY_NAME = {provider.__name__: provider for provider in PROVIDERS}
EVERY_STEP = sorted(BY_NAME.keys() - {"reduce_on_plateau"})
LOSSES = [1.0, 1.5, 0.5, 0.6]


class Training:
    """An optimizer of two groups, its schedule, and the loop around them."""

    def __init__(self, name="constant", rates=(1.0, 0.3), **warmup):
        groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
        self.optimizer = torch.optim.SGD(groups, momentum=0.9)
        provider = BY_NAME[name]
        asked = (self.optimizer,) if name == "constant" else (self.optimizer, PLAN)
        scheduler = provider(*asked, **SETTINGS.get(name, {}))
        self.monitor = "val/loss" if name == "reduce_on_plateau" else None
        self.schedule = Schedule(scheduler, self.optimizer, PLAN, SchedulerCore(**warmup), self.monitor)
        self.step = 0

    def rates(self, steps=24):
        """Go on for some steps; the rates of both groups at each."""
        used = []
        for _ in range(steps):
            used.append([group["lr"] for group in self.optimizer.param_groups])
            self.optimizer.step()
            self.schedule.step()
            self.step += 1
            if self.step % PLAN.steps_per_epoch == 0:
                self.schedule.evaluated({"val/loss": LOSSES[self.step // PLAN.steps_per_epoch - 1]})
        return torch.tensor(used, dtype=torch.float64)


@pytest.fixture
def through_files():
    def go(state):
        data, storages = encode(state)
        return decode(json.loads(json.dumps(data)), storages)

    return go


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("steps", [1, 4, 9, 24, 40])
def test_warm_up_multiplies_the_schedulers_own_rates(name, steps):
    own = Training(name).rates()
    ramp = torch.tensor([min(0.2 + 0.8 * step / steps, 1.0) for step in range(24)], dtype=torch.float64)
    warmed = Training(name, warmup_steps=steps, warmup_factor=0.2).rates()
    torch.testing.assert_close(warmed, own * ramp.unsqueeze(1), rtol=1e-12, atol=0)
    assert torch.equal(warmed[steps:], own[steps:])


@pytest.mark.parametrize("name", BY_NAME)
def test_without_warm_up_the_rates_are_the_schedulers_own(name):
    if name == "reduce_on_plateau":
        expected = [1.0] * 12 + [0.1] * 12
    else:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        scheduler = BY_NAME[name](
            *((optimizer,) if name == "constant" else (optimizer, PLAN)), **SETTINGS.get(name, {})
        )
        expected = []
        for _ in range(24):
            expected.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    assert Training(name).rates()[:, 0].tolist() == pytest.approx(expected, rel=1e-12)


def test_a_plateau_is_judged_during_warm_up_as_after_it():
    rates = Training("reduce_on_plateau", warmup_steps=13, warmup_factor=0.0).rates()[:, 0].tolist()
    ramp = [min(step / 13, 1.0) for step in range(24)]
    own = [1.0] * 12 + [0.1] * 12
    assert rates == pytest.approx([rate * share for rate, share in zip(own, ramp, strict=True)])


def test_warm_up_is_told_in_epochs_or_in_steps():
    in_epochs = Training(warmup_epochs=1.5, warmup_factor=0.1).rates()
    assert torch.equal(in_epochs, Training(warmup_steps=9, warmup_factor=0.1).rates())
    assert in_epochs[0, 0] == pytest.approx(0.1)
    assert in_epochs[9, 0] == 1.0
    assert torch.equal(Training(warmup_epochs=2, warmup_steps=0).rates(), Training().rates())


def test_the_rate_of_the_next_step_is_told():
    training = Training(warmup_steps=4, warmup_factor=0.0)
    told = []
    for _ in range(6):
        told.append(training.schedule.lr)
        training.rates(1)
    assert told == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("stop", [3, 6, 10, 13])
def test_a_schedule_goes_on_where_it_was_in_the_midst_of_warm_up_too(through_files, name, stop):
    straight = Training(name, warmup_steps=10, warmup_factor=0.1).rates()
    first = Training(name, warmup_steps=10, warmup_factor=0.1)
    first.rates(stop)
    saved = through_files(
        {"optimizer": first.optimizer.state_dict(), "schedule": first.schedule.state_dict()}
    )
    second = Training(name, warmup_steps=10, warmup_factor=0.1)
    second.step = stop
    second.optimizer.load_state_dict(saved["optimizer"])
    second.schedule.load_state_dict(saved["schedule"])
    assert torch.equal(second.rates(24 - stop), straight[stop:])


TORCHS = {
    "ExponentialLR": {"gamma": 0.9},
    "CosineAnnealingLR": {"T_max": 12},
    "CosineAnnealingWarmRestarts": {"T_0": 5},
    "MultiStepLR": {"milestones": [2, 5, 5, 9]},
}


@pytest.mark.parametrize("name", TORCHS)
def test_torchs_own_schedulers_which_go_on_from_the_last_rate_are_warmed_up_alike(name):
    def rates(**warmup):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        scheduler = getattr(torch.optim.lr_scheduler, name)(optimizer, **TORCHS[name])
        schedule = Schedule(scheduler, optimizer, PLAN, SchedulerCore(**warmup), None)
        used = []
        for _ in range(12):
            used.append(schedule.lr)
            optimizer.step()
            schedule.step()
        return used

    ramp = [min(step / 6, 1.0) for step in range(12)]
    own = [rate * share for rate, share in zip(rates(), ramp, strict=True)]
    assert rates(warmup_steps=6, warmup_factor=0.0) == pytest.approx(own, rel=1e-12)


def test_torchs_own_plateau_scheduler_is_stepped_with_the_metric():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    schedule = Schedule(
        plateau, optimizer, PLAN, SchedulerCore(warmup_steps=4, warmup_factor=0.5), "val/loss"
    )
    schedule.evaluated({"val/loss": 1.0, "val/accuracy": 0.1})
    assert schedule.lr == 0.5
    schedule.evaluated({"val/loss": 2.0})
    assert schedule.lr == 0.25
    for _ in range(4):
        schedule.step()
    assert schedule.lr == 0.5


def test_a_run_resumed_after_an_epochs_last_step_is_not_warned_of_its_schedule():
    stopped, resumed = Training("reduce_on_plateau"), Training("reduce_on_plateau")
    stopped.rates(steps=5)
    resumed.schedule.load_state_dict(stopped.schedule.state_dict())
    resumed.schedule.evaluated({"val/loss": 1.0})  # warnings are errors
    assert resumed.schedule.lr == 1.0
