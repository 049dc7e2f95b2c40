import math

import pytest
import torch
from imgfw_plugins.schedulers.plateau import reduce_on_plateau

LOSSES = [1.0, 0.9, 0.95, 0.91, 0.89, 0.88, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.5, 0.6, 0.6, 0.6, 0.6]


def rates_after(scheduler, values):
    rates = []
    for value in values:
        scheduler.optimizer.step()
        scheduler.step(value)
        rates.append(scheduler.optimizer.param_groups[0]["lr"])
    return rates


@pytest.mark.parametrize("patience", [0, 1, 3])
@pytest.mark.parametrize("cooldown", [0, 2])
def test_it_drops_when_torchs_does(patience, cooldown, make_optimizer, plan):
    ours = reduce_on_plateau(
        make_optimizer(1.0),
        plan,
        factor=0.5,
        patience=patience,
        cooldown=cooldown,
        min_delta=0.015,
        min_lr=0.1,
    )
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        make_optimizer(1.0),
        factor=0.5,
        patience=patience,
        cooldown=cooldown,
        threshold=0.015,
        threshold_mode="abs",
        min_lr=0.1,
    )
    assert rates_after(ours, LOSSES) == pytest.approx(rates_after(theirs, LOSSES))


def test_it_takes_the_direction_of_the_metric_from_the_plan(make_optimizer, plan):
    scheduler = reduce_on_plateau(make_optimizer(1.0), plan, monitor="val/accuracy", patience=0)
    assert rates_after(scheduler, [0.5, 0.6, 0.7, 0.7]) == pytest.approx([1.0, 1.0, 1.0, 0.1])


def test_a_given_direction_wins(make_optimizer, plan):
    scheduler = reduce_on_plateau(make_optimizer(1.0), plan, monitor="val/accuracy", mode="min", patience=0)
    assert rates_after(scheduler, [0.5, 0.6]) == pytest.approx([1.0, 0.1])


def test_what_is_not_a_number_is_no_improvement(make_optimizer, plan):
    scheduler = reduce_on_plateau(make_optimizer(1.0), plan, patience=1)
    rates = rates_after(scheduler, [math.nan, math.nan, 0.5, math.nan, 0.4])
    assert rates == pytest.approx([1.0, 0.1, 0.1, 0.1, 0.1])


def test_the_rate_does_not_depend_on_what_others_wrote_into_the_groups(make_optimizer, plan):
    scheduler = reduce_on_plateau(make_optimizer(1.0), plan, patience=0)
    rates_after(scheduler, [0.5])
    scheduler.optimizer.param_groups[0]["lr"] = 123.0  # as a warm-up multiplier does
    assert rates_after(scheduler, [0.5]) == pytest.approx([0.1])


def test_groups_below_the_floor_keep_their_rate(make_optimizer, plan):
    optimizer = make_optimizer(1.0, 0.01)
    rates_after(reduce_on_plateau(optimizer, plan, patience=0, min_lr=0.05), [0.5, 0.5, 0.5])
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.05, 0.01])


def test_a_restored_schedule_goes_on_where_it_was(make_optimizer, plan):
    def fresh():
        return reduce_on_plateau(make_optimizer(1.0), plan, factor=0.5, patience=2, cooldown=1)

    straight = rates_after(fresh(), LOSSES)
    for cut in range(1, len(LOSSES)):
        first, second = fresh(), fresh()
        rates_after(first, LOSSES[:cut])
        second.optimizer.load_state_dict(first.optimizer.state_dict())
        second.load_state_dict(first.state_dict())
        assert rates_after(second, LOSSES[cut:]) == straight[cut:]
