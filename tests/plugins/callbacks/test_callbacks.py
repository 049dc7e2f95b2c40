import math
from types import SimpleNamespace

import pytest
from imgfw import Plan
from imgfw_plugins.callbacks import time_limit
from imgfw_plugins.callbacks.early_stopping import EarlyStopping
from imgfw_plugins.callbacks.stop_at import StopAt
from imgfw_plugins.callbacks.time_limit import TimeLimit


def new_run():
    plan = Plan(
        total_steps=100, steps_per_epoch=10, epochs=10, modes={"val/accuracy": "max", "val/loss": "min"}
    )
    return SimpleNamespace(plan=plan, metrics={}, epoch=0, stop=None)


def epochs_until_stop(callback, monitor, values, run=None):
    """Let epochs end with these values until the callback stops the run; return the run."""
    run = run or new_run()
    for value in values:
        run.epoch += 1
        run.metrics[monitor] = value
        callback.on_epoch_end(run)
        if run.stop:
            break
    return run


def test_early_stopping_stops_after_patience_epochs_without_improvement():
    run = epochs_until_stop(
        EarlyStopping(monitor="val/accuracy", patience=3),
        "val/accuracy",
        [0.5, 0.7, 0.6, 0.98333, 0.9, 0.98333, 0.9, 1],
    )
    assert run.epoch == 7
    assert run.stop == "early stopping: val/accuracy has not improved on 0.9833 (epoch 4) for 3 epochs"


def test_early_stopping_goes_on_while_the_metric_improves():
    run = epochs_until_stop(EarlyStopping(patience=1), "val/loss", [0.5, 0.4, 0.3])
    assert run.stop is None


def test_early_stopping_takes_the_direction_from_the_plan_unless_given():
    falling = [0.5, 0.4, 0.3]
    assert (
        epochs_until_stop(EarlyStopping(monitor="val/accuracy", patience=1), "val/accuracy", falling).epoch
        == 2
    )
    given = EarlyStopping(monitor="val/accuracy", mode="min", patience=1)
    assert epochs_until_stop(given, "val/accuracy", falling).stop is None


def test_early_stopping_wants_steps_larger_than_min_delta():
    run = epochs_until_stop(EarlyStopping(patience=2, min_delta=0.1), "val/loss", [1.0, 0.95, 0.92, 0.5])
    assert run.stop == "early stopping: val/loss has not improved on 1.0000 (epoch 1) for 2 epochs"


def test_small_steps_add_up_against_the_best_value():
    run = epochs_until_stop(EarlyStopping(patience=3, min_delta=0.1), "val/loss", [1.0, 0.95, 0.85, 0.8, 0.7])
    assert run.stop is None


def test_what_is_not_a_number_is_no_improvement():
    run = epochs_until_stop(EarlyStopping(patience=2), "val/loss", [0.5, math.nan, math.nan, 0.1])
    assert run.stop == "early stopping: val/loss has not improved on 0.5000 (epoch 1) for 2 epochs"
    run = epochs_until_stop(EarlyStopping(patience=1), "val/loss", [math.nan])
    assert run.stop == "early stopping: val/loss has not been a number for 1 epoch"


def test_epochs_before_the_first_evaluation_do_not_count():
    run = new_run()
    callback = EarlyStopping(patience=1)
    callback.on_epoch_end(run)
    assert run.stop is None
    assert callback.state_dict()["waited"] == 0


def test_a_restored_early_stopping_stops_at_the_same_epoch():
    values = [0.5, 0.7, 0.6, 0.65, 0.6, 0.6]
    straight = epochs_until_stop(EarlyStopping(monitor="val/accuracy", patience=3), "val/accuracy", values)
    for cut in range(straight.epoch):
        first, second = (EarlyStopping(monitor="val/accuracy", patience=3) for _ in range(2))
        run = epochs_until_stop(first, "val/accuracy", values[:cut])
        second.load_state_dict(first.state_dict())
        run = epochs_until_stop(second, "val/accuracy", values[cut:], run)
        assert (run.epoch, run.stop) == (straight.epoch, straight.stop)


@pytest.mark.parametrize(
    ("monitor", "values", "target", "reason"),
    [
        ("val/accuracy", [0.8, 0.85, 0.9, 1.0], 0.9, "target reached: val/accuracy is 0.9000 (target 0.9)"),
        ("val/loss", [0.8, 0.4, 0.1, 0.0], 0.25, "target reached: val/loss is 0.1000 (target 0.25)"),
    ],
)
def test_stop_at_stops_when_the_target_is_reached(monitor, values, target, reason):
    run = epochs_until_stop(StopAt(monitor=monitor, value=target), monitor, values)
    assert (run.epoch, run.stop) == (3, reason)


def test_stop_at_waits_for_the_first_evaluation():
    run = new_run()
    StopAt(monitor="val/loss", value=0.1).on_epoch_end(run)
    assert run.stop is None


def test_time_limit_stops_at_the_first_step_after_the_time(monkeypatch):
    now = 1000.0
    monkeypatch.setattr(time_limit.time, "monotonic", lambda: now)
    callback, run = TimeLimit(minutes=1.5), new_run()
    callback.on_run_start(run)
    now += 89
    callback.on_step_end(run)
    assert run.stop is None
    now += 1
    callback.on_step_end(run)
    assert run.stop == "time limit: 1.5 minutes of training are over"
