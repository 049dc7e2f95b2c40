"""timm's schedules, step by step."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from imgfw import Plan
from imgfw_plugin_timm.scheduler import timm_scheduler


def optimizer(*rates: float) -> torch.optim.Optimizer:
    return torch.optim.SGD([{"params": [torch.zeros(1, requires_grad=True)], "lr": rate} for rate in rates])


def rates(total_steps: int = 101, **settings) -> list[float]:
    sgd = optimizer(1.0)
    scheduler = timm_scheduler(sgd, Plan(total_steps, 10, 11), **settings)
    seen = []
    for _ in range(total_steps):
        seen.append(sgd.param_groups[0]["lr"])
        sgd.step()
        scheduler.step()
    return seen


@pytest.mark.parametrize("sched", ["cosine", "tanh", "poly", "wsd", "rsqrt"])
@pytest.mark.parametrize("total_steps", [1, 2, 101])
def test_a_schedule_begins_at_the_optimizers_rate_and_ends_with_the_last_step(sched, total_steps):
    seen = rates(total_steps, sched=sched, min_lr=0.01)
    assert seen[0] == pytest.approx(1.0, abs=0.002)
    assert total_steps == 1 or seen[-1] == pytest.approx(0.01)
    assert all(later <= earlier for earlier, later in pairwise(seen))


def test_cosine_is_a_cosine():
    assert rates()[25] == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))


def test_cycles_start_over_at_a_lower_rate():
    seen = rates(cycles=2, cycle_decay=0.5)
    assert (seen[0], seen[49] < 0.01, seen[50]) == (1.0, True, 0.5)


def test_the_stable_phase_lasts_until_the_last_share():
    seen = rates(sched="wsd", decay_share=0.25)
    assert set(seen[:76]) == {1.0}
    assert seen[76] < 1.0


def test_the_reciprocal_root_is_down_to_the_root_of_a_half_after_its_timescale():
    assert rates(sched="rsqrt", timescale_epochs=2.0)[20] == pytest.approx(math.sqrt(0.5))


def test_every_group_keeps_its_share_of_the_rate():
    sgd = optimizer(1.0, 0.1)
    scheduler = timm_scheduler(sgd, Plan(11, 11, 1))
    for _ in range(5):
        sgd.step()
        scheduler.step()
    assert [group["lr"] for group in sgd.param_groups] == pytest.approx([0.5, 0.05])


def test_a_schedule_goes_on_from_its_state():
    first, second = (timm_scheduler(optimizer(1.0), Plan(101, 10, 11)) for _ in range(2))
    for _ in range(30):
        first.optimizer.step()
        first.step()
    second.load_state_dict(first.state_dict())
    for scheduler in (first, second):
        scheduler.optimizer.step()
        scheduler.step()
    assert second.get_last_lr() == first.get_last_lr()
