"""The sentence on what held a run back."""

from __future__ import annotations

import dataclasses
import json
import time

import imgfw
import pytest
from imgfw.engine.speed.clock import Clock
from imgfw.engine.speed.verdict import Setup, verdict

from tests.core.engine.conftest import CLASSIFICATION

GPU_FROM_DISK = Setup(
    on_cpu=False,
    in_memory=False,
    cacheable=True,
    eval_in_one=False,
    saves_seldom=True,
    num_workers=2,
    cores=8,
    threads=8,
    log_every=100,
    save_every=1,
    slower_precision=False,
)
CPU_FROM_DISK = dataclasses.replace(GPU_FROM_DISK, on_cpu=True, num_workers=0, cores=4, threads=1)


def said(setup, steps=100, **seconds):
    return verdict(Clock(setup=setup, training=10.0, samples=10_000, steps=steps, **seconds))


def test_a_run_at_its_limit_names_its_own_step():
    assert said(GPU_FROM_DISK, waiting=0.2) == (
        "1,000 images/s while training, 98% of what the model's own step allows; that step set the pace, "
        "with 98% of the time."
    )


def test_a_slower_precision_than_autos_is_named_where_the_step_sets_the_pace():
    setup = dataclasses.replace(GPU_FROM_DISK, slower_precision=True)
    assert said(setup).endswith(
        'that step set the pace, with 100% of the time: train.precision "auto" would compute in bf16, and '
        "imgfw tune measures the gain."
    )


def test_a_larger_batch_is_named_where_steps_are_short():
    assert said(GPU_FROM_DISK, steps=20_000).endswith(
        "a larger loader.batch_size would share the fixed cost of steps of 0.5 ms among more images, and "
        "imgfw bench measures the gain."
    )


def test_workers_are_asked_for_where_cores_are_left_for_them():
    # Two workers took 10 s for it all, so eight take 2.5 s, which is less than the step's 4 s.
    assert said(GPU_FROM_DISK, waiting=6.0) == (
        "1,000 images/s while training, 40% of what the model's own step allows; the input held it back, "
        "with 60% of the time: loader.num_workers 8 should make training 150% faster."
    )


def test_workers_on_a_cpu_share_the_cores_with_the_step():
    # 6 s in line and 4 s of steps on four cores are 2.5 s each, but no less than the steps themselves.
    assert said(CPU_FROM_DISK, waiting=6.0).endswith("loader.num_workers 3 should make training 150% faster.")
    # With all four cores in the steps, 6 s + 4 * 4 s share four cores: 5.5 s.
    busy = dataclasses.replace(CPU_FROM_DISK, threads=4)
    assert said(busy, waiting=6.0).endswith("loader.num_workers 3 should make training 82% faster.")


@pytest.mark.parametrize(
    "change", [{"in_memory": True, "cacheable": False}, {"num_workers": 3, "cacheable": False}]
)
def test_without_anything_for_workers_to_gain_lighter_transforms_are_left(change):
    setup = dataclasses.replace(CPU_FROM_DISK, **change)
    sentence = said(setup, waiting=3.0, feeding=2.0)
    assert "50% of what the model's own step allows" in sentence
    assert sentence.endswith("lighter transforms could make training up to 100% faster.")


def test_images_from_disk_may_be_kept_where_every_core_reads_already():
    setup = dataclasses.replace(CPU_FROM_DISK, num_workers=3)
    assert said(setup, waiting=5.0).endswith('loader.cache "ram" could make training up to 100% faster.')


def test_transforms_of_whole_batches_on_a_gpu_are_part_of_its_step():
    assert "100% of what the model's own step allows" in said(GPU_FROM_DISK, feeding=2.0)


def test_an_evaluation_that_takes_longer_than_anything_but_the_step_is_named():
    assert said(GPU_FROM_DISK, waiting=1.0, evaluating=10.0, saving=1.0).endswith(
        "evaluation held it back, with 48% of the time: a larger loader.eval_batch_size could make training "
        "up to 91% faster."
    )


def test_saving_half_as_often_saves_half_of_it():
    setup = dataclasses.replace(GPU_FROM_DISK, save_every=2)
    assert said(setup, saving=10.0).endswith(
        "saving held it back, with 50% of the time: checkpoint.every 4 could make training up to 33% faster."
    )


def test_logging_counts_on_a_cpu_only_where_nothing_else_is_waited_for():
    assert said(CPU_FROM_DISK, logging=5.0).endswith(
        "logging held it back, with 50% of the time: train.log_every 1000 should make training 82% faster."
    )
    assert "that step set the pace" in said(GPU_FROM_DISK, logging=5.0)


def test_nothing_is_said_of_a_run_that_was_not_timed():
    assert verdict(Clock()) is None
    assert verdict(Clock(setup=GPU_FROM_DISK, training=0.1)) is None


def test_the_first_step_is_left_out_of_the_clock(monkeypatch):
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    clock = Clock()
    clock.begin_epoch()
    now, clock.waiting = 100.0, 90.0
    clock.count(64, fed=7.0)
    now, clock.waiting = 102.0, clock.waiting + 0.5
    clock.count(64, fed=7.25)
    with clock.during("logging"):
        now = 103.0
    clock.end_epoch()
    assert (clock.training, clock.waiting, clock.feeding, clock.logging) == (3.0, 0.5, 0.25, 1.0)
    assert (clock.samples, clock.steps) == (64, 1)


def test_a_run_ends_with_its_verdict(train):
    summary = train(CLASSIFICATION).summary
    assert summary["throughput"] > 0
    assert "of what the model's own step allows; " in summary["verdict"]


def test_a_run_that_ends_within_its_first_epoch_has_a_verdict_too(tmp_path):
    class Failing(imgfw.Callback):
        def on_step_end(self, run):
            if run.step == 3:
                raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        imgfw.run(CLASSIFICATION | {"output_dir": str(tmp_path)}, callbacks=[Failing()], quiet=True)
    summary = json.loads((tmp_path / "tiny" / "summary.json").read_text())
    assert summary["throughput"] > 0
    assert "images/s while training" in summary["verdict"]


def test_no_setting_is_named_that_can_do_nothing():
    one_batch = dataclasses.replace(GPU_FROM_DISK, eval_in_one=True)
    assert "fewer validation samples could" in said(one_batch, evaluating=8.0)
    short = dataclasses.replace(GPU_FROM_DISK, saves_seldom=False)
    assert "saved in any case" in said(short, saving=8.0)


def test_one_worker_cannot_make_an_input_faster_that_is_all_of_the_time():
    two_cores = dataclasses.replace(CPU_FROM_DISK, cores=2, cacheable=False)
    assert "lighter transforms" in said(two_cores, waiting=9.7)
