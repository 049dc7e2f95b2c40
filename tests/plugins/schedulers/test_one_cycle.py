import pytest
import torch
from imgfw import Plan
from imgfw_plugins.schedulers.one_cycle import one_cycle


@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_it_is_the_curve_of_torch(strategy, make_optimizer, rates_of, plan):
    settings = {"pct_start": 0.4, "div_factor": 10.0, "final_div_factor": 50.0, "anneal_strategy": strategy}
    ours = one_cycle(make_optimizer(0.1), plan, max_lr=1.0, **settings)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        make_optimizer(0.1), max_lr=1.0, total_steps=12, cycle_momentum=False, **settings
    )
    assert rates_of(ours, 12) == pytest.approx(rates_of(theirs, 12))


def test_its_peak_is_the_optimizers_own_rate_unless_given(make_optimizer, rates_of):
    plan = Plan(total_steps=100, steps_per_epoch=10, epochs=10)
    rates = rates_of(one_cycle(make_optimizer(0.5), plan), 100)
    assert rates[0] == pytest.approx(0.5 / 25)
    assert max(rates) == rates[29] == pytest.approx(0.5)
    assert rates[-1] == pytest.approx(0.5 / 25 / 1e4)


def test_groups_keep_their_proportion(make_optimizer, rates_of, plan):
    optimizer = make_optimizer(0.1, 0.01)
    rates_of(one_cycle(optimizer, plan, max_lr=1.0), 5)
    first, second = (group["lr"] for group in optimizer.param_groups)
    assert first == pytest.approx(10 * second)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_shortest_runs_reach_the_peak(steps, make_optimizer, rates_of):
    plan = Plan(total_steps=steps, steps_per_epoch=steps, epochs=1)
    assert max(rates_of(one_cycle(make_optimizer(0.5), plan), steps)) == 0.5


def test_a_late_peak_still_leaves_the_last_step_at_the_end(make_optimizer, rates_of):
    plan = Plan(total_steps=5, steps_per_epoch=5, epochs=1)
    rates = rates_of(one_cycle(make_optimizer(0.5), plan, pct_start=0.9), 5)
    assert rates[-1] == pytest.approx(0.5 / 25 / 1e4)


def test_the_momentum_is_left_alone_unless_asked_for(make_optimizer, rates_of, plan):
    optimizer = make_optimizer(0.1, momentum=0.9)
    rates_of(one_cycle(optimizer, plan), 4)
    assert optimizer.param_groups[0]["momentum"] == 0.9


@pytest.mark.parametrize(
    ("optimizer_type", "settings"), [(torch.optim.SGD, {"momentum": 0.9}), (torch.optim.Adam, {})]
)
def test_the_momentum_cycles_as_in_torch(optimizer_type, settings, make_optimizer, plan):
    ours = make_optimizer(0.1, optimizer=optimizer_type, **settings)
    theirs = make_optimizer(0.1, optimizer=optimizer_type, **settings)
    pairs = [
        one_cycle(ours, plan, cycle_momentum=True),
        torch.optim.lr_scheduler.OneCycleLR(theirs, max_lr=0.1, total_steps=12),
    ]
    for _ in range(11):
        for scheduler in pairs:
            scheduler.optimizer.step()
            scheduler.step()
        group, reference = ours.param_groups[0], theirs.param_groups[0]
        key = "betas" if "betas" in group else "momentum"
        assert group[key] == pytest.approx(reference[key])


def test_cycling_a_momentum_that_is_not_there_is_refused(make_optimizer, plan):
    with pytest.raises(ValueError, match="cycle_momentum is true, but the optimizer has no momentum"):
        one_cycle(make_optimizer(0.1), plan, cycle_momentum=True)
