"""Windows, rates, and stretches of a run."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
import torch
from imgfw.engine.input.batch_plan import BatchPlan
from imgfw.engine.speed.live_windows import LiveWindows, settling_steps
from imgfw.engine.speed.measuring import Rate, interleave, paired_ratio, window_of

CPU = torch.device("cpu")


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved: `clock.now += 1`."""
    made = SimpleNamespace(now=0.0)
    monkeypatch.setattr(time, "perf_counter", lambda: made.now)
    return made


def test_a_window_lasts_until_its_time_is_up_and_counts_whole_pieces(clock):
    def work():
        clock.now += 0.4
        return 10

    assert window_of(work, CPU)(1.0) == pytest.approx(30 / 1.2)


def test_what_settles_before_a_window_is_not_counted(clock):
    costs = iter([5.0, 5.0, 1.0, 1.0])

    def work():
        clock.now += next(costs)
        return 10

    assert window_of(work, CPU, settle=2)(2.0) == 10


def test_windows_take_turns_and_each_goes_first_once():
    order = []

    def window(name):
        def run(seconds):
            order.append(name)
            return float(len(order))

        return run

    rates = interleave({name: window(name) for name in "abc"}, rounds=3, seconds=1.0)
    assert "".join(order) == "abcbcacab"
    assert rates == {"a": [1, 6, 8], "b": [2, 4, 9], "c": [3, 5, 7]}


def test_ratios_are_taken_within_a_round():
    assert paired_ratio([1.0, 20.0, 3.0], [2.0, 20.0, 3.0]) == 1.0
    assert Rate.of([1.26, 3.0, 2.0]).to_json() == {"median": 2.0, "min": 1.26, "max": 3.0}
    assert Rate.of([0.0312345]).to_json()["median"] == 0.03123


def stretches(clock, *, seconds, epochs, samples, batch_size, workers=0):
    """Play a training with steps of a second, evaluations of a hundred, and note the windows."""
    seen = []
    batches = BatchPlan(samples, batch_size)
    windows = LiveWindows(
        seconds, batches, lambda stretch: seen.append((stretch.images, stretch.steps, stretch.seconds))
    )
    recipe = {"loader": {"num_workers": workers, "prefetch": 2}}
    run = SimpleNamespace(step=0, device=CPU, recipe=recipe)
    windows.on_run_start(run)
    for _ in range(epochs):
        windows.on_epoch_start(run)
        for _ in range(batches.steps_per_epoch):
            clock.now += 1.0
            run.step += 1
            windows.on_step_end(run)
        clock.now += 100.0
    return seen


def test_a_window_of_a_run_spans_epochs_without_what_lies_between_and_knows_the_last_batch(clock):
    # Epochs of 64 + 64 + 32 images. The first step warms up; the window's three steps span two epochs.
    seen = stretches(clock, seconds=3.0, epochs=3, samples=160, batch_size=64)
    assert seen[0] == (64 + 32 + 64, 3, 3.0)


def test_steps_after_a_pause_are_left_out_until_the_workers_are_back_in_step(clock):
    assert settling_steps({"loader": {"num_workers": 3, "prefetch": 2}}) == 7
    counted = {
        workers: len(stretches(clock, seconds=2.0, epochs=1, samples=64 * 21, batch_size=64, workers=workers))
        for workers in (0, 2)
    }
    # 20 steps after the first: a window takes 2 of them and a pause costs 1, with two workers 5.
    assert counted == {0: 7, 2: 3}
