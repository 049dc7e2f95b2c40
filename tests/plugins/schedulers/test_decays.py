import math

import pytest
from imgfw import Plan
from imgfw_plugins.schedulers.decays import constant, cosine, exponential, multi_step, polynomial, step


def test_constant_stays(make_optimizer, rates_of):
    assert rates_of(constant(make_optimizer(0.5)), 4) == [0.5] * 4


def test_step_drops_after_each_number_of_epochs(make_optimizer, rates_of, plan):
    rates = rates_of(step(make_optimizer(1.0), plan, every_epochs=2, gamma=0.1), 12)
    assert rates == pytest.approx([1.0] * 6 + [0.1] * 6)


def test_step_takes_parts_of_an_epoch_without_drifting(make_optimizer, rates_of):
    plan = Plan(total_steps=10, steps_per_epoch=5, epochs=2)
    rates = rates_of(step(make_optimizer(1.0), plan, every_epochs=0.5, gamma=0.5), 10)
    assert rates == pytest.approx([1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.125])


def test_multi_step_drops_at_its_milestones(make_optimizer, rates_of, plan):
    rates = rates_of(multi_step(make_optimizer(1.0), plan, milestones=[1, 3], gamma=0.1), 12)
    assert rates == pytest.approx([1.0] * 3 + [0.1] * 6 + [0.01] * 3)


def test_exponential_falls_by_gamma_an_epoch(make_optimizer, rates_of, plan):
    rates = rates_of(exponential(make_optimizer(1.0), plan, gamma=0.5), 12)
    assert rates[::3] == pytest.approx([1.0, 0.5, 0.25, 0.125])
    assert rates[1] == pytest.approx(0.5 ** (1 / 3))


def test_cosine_is_half_a_wave_over_exactly_the_run(make_optimizer, rates_of, plan):
    rates = rates_of(cosine(make_optimizer(1.0), plan, min_lr=0.2), 12)
    assert rates == pytest.approx([0.2 + 0.8 * (1 + math.cos(math.pi * t / 11)) / 2 for t in range(12)])
    assert (rates[0], rates[-1]) == (1.0, 0.2)


def test_polynomial_of_power_1_is_a_straight_line_to_the_end(make_optimizer, rates_of, plan):
    rates = rates_of(polynomial(make_optimizer(1.1), plan), 12)
    assert rates == pytest.approx([1.1 - 0.1 * t for t in range(12)])


def test_polynomial_bends_with_its_power(make_optimizer, rates_of, plan):
    rates = rates_of(polynomial(make_optimizer(1.0), plan, power=2.0, min_lr=0.5), 12)
    assert rates == pytest.approx([0.5 + 0.5 * (1 - t / 11) ** 2 for t in range(12)])


def test_every_group_falls_from_its_own_rate_and_never_rises(make_optimizer, rates_of, plan):
    optimizer = make_optimizer(1.0, 0.1, 0.01)
    rates_of(cosine(optimizer, plan, min_lr=0.05), 11)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.05, 0.05, 0.01])


@pytest.mark.parametrize("schedule", [cosine, polynomial])
def test_a_floor_above_the_optimizers_rate_is_refused(schedule, make_optimizer, plan):
    with pytest.raises(ValueError, match="min_lr is 2, more than the optimizer's lr 1"):
        schedule(make_optimizer(1.0), plan, min_lr=2.0)


@pytest.mark.parametrize("schedule", [cosine, polynomial])
def test_a_run_of_one_step_is_done_at_the_full_rate(schedule, make_optimizer, rates_of):
    plan = Plan(total_steps=1, steps_per_epoch=1, epochs=1)
    assert rates_of(schedule(make_optimizer(1.0), plan), 1) == [1.0]


@pytest.mark.parametrize("schedule", [step, exponential, cosine, polynomial])
def test_a_restored_schedule_goes_on_where_it_was(schedule, make_optimizer, rates_of, plan):
    straight = rates_of(schedule(make_optimizer(1.0), plan), 12)
    first = schedule(make_optimizer(1.0), plan)
    rates_of(first, 5)
    second = schedule(make_optimizer(1.0), plan)
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    second.load_state_dict(first.state_dict())
    assert rates_of(second, 7) == straight[5:]


def test_the_rate_does_not_depend_on_what_others_wrote_into_the_groups(make_optimizer, plan):
    scheduler = cosine(make_optimizer(1.0), plan)
    scheduler.optimizer.step()
    scheduler.optimizer.param_groups[0]["lr"] = 123.0  # as a warm-up multiplier does
    scheduler.step()
    assert scheduler.get_last_lr() == pytest.approx([(1 + math.cos(math.pi / 11)) / 2])
