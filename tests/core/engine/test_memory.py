"""Out of memory: a sentence with a way out, or the step again in smaller micro-batches."""

from __future__ import annotations

import json

import imgfw
import pytest
import torch
from imgfw.engine import runs
from imgfw.engine.memory import is_out_of_memory
from safetensors.torch import load_file

from .conftest import FAULTY, fingerprint

SPLIT = {"train.on_out_of_memory": "split", "loader.batch_size": 303}


def fits(training, evaluation=10000, **settings):
    """A model for which so many samples fit into memory."""
    return {"type": "faulty", "fits": [training, evaluation], **settings}


def last_state(folder):
    place = folder / "checkpoints" / "last"
    return load_file(place / "model.safetensors"), json.loads((place / "state.json").read_text())


def said(folder):
    lines = (folder / "events.jsonl").read_text().splitlines()
    return [
        (event["step"], event["micro_batches"])
        for event in map(json.loads, lines)
        if "micro_batches" in event
    ]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_step_that_does_not_fit_ends_as_if_it_had_been_cut_from_the_start(train, workers):
    """With batch norm and dropout: what the failed attempts drew and averaged is taken back."""
    changes = {**SPLIT, "model": fits(100), "loader.num_workers": workers}
    result = train(FAULTY, "split", changes)
    assert said(result.folder) == [(1, 2), (1, 4)]
    cut = train(
        FAULTY, "cut", {**changes, "model": fits(10000), "train.accumulate": 4, "loader.num_workers": 0}
    )
    model, _ = last_state(result.folder)
    expected, _ = last_state(cut.folder)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.items())
    assert (result.folder / "metrics.csv").read_bytes() == (cut.folder / "metrics.csv").read_bytes()


def test_without_batch_norm_and_dropout_the_result_is_that_of_the_whole_batch_within_rounding(train):
    plain = {"norm": False, "dropout": 0.0}
    changes = {**SPLIT, "optimizer": {"type": "sgd", "lr": 0.05, "momentum": 0.9}}
    split = train(FAULTY, "split", {**changes, "model": fits(50, **plain)})
    whole = train(FAULTY, "whole", {**changes, "model": fits(10000, **plain)})
    expected, _ = last_state(whole.folder)
    for name, tensor in last_state(split.folder)[0].items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-4, atol=1e-6)


def test_the_smaller_micro_batches_are_kept_when_the_run_is_resumed(train, stop_at, tmp_path):
    changes = {**SPLIT, "model": fits(100)}
    straight = train(FAULTY, "straight", changes)
    stop_at(3)
    with pytest.raises(imgfw.InterruptedRun):
        train(FAULTY, "stopped", changes)
    stop_at(0)
    resumed = runs.resume(tmp_path / "stopped" / "tiny", quiet=True)
    assert fingerprint(resumed.folder) == fingerprint(straight.folder)
    assert said(resumed.folder) == [(1, 2), (1, 4)]


def test_the_error_names_the_micro_batch_and_what_to_set(train):
    with pytest.raises(imgfw.UsageError) as raised:
        train(FAULTY, changes={"model": fits(100), "loader.batch_size": 302, "train.accumulate": 2})
    assert str(raised.value) == (
        "Out of memory at step 1 with micro-batches of 151 samples. Set train.accumulate to 4, which gives "
        'the same training with half the memory (train.on_out_of_memory "split" does it when it must), '
        "or lower loader.batch_size to 151."
    )
    assert raised.value.exit_code == 2
    assert isinstance(raised.value.__cause__, torch.OutOfMemoryError)


@pytest.mark.parametrize(("norm", "smallest"), [(True, 2), (False, 1)])
def test_micro_batches_are_halved_down_to_what_a_batch_norm_needs(train, norm, smallest):
    changes = {
        "train.on_out_of_memory": "split",
        "loader.batch_size": 16,
        "train.epochs": None,
        "train.steps": 1,
    }
    samples = "1 sample" if smallest == 1 else "2 samples"
    with pytest.raises(imgfw.UsageError, match=rf"Out of memory at step 1 with micro-batches of {samples}\."):
        train(FAULTY, changes={**changes, "model": fits(smallest - 1, norm=norm)})
    result = train(FAULTY, "fits", {**changes, "model": fits(smallest, norm=norm)})
    assert said(result.folder)[-1] == (1, 16 // smallest)


def test_an_evaluation_that_does_not_fit_says_which_batch_size_to_try(train):
    with pytest.raises(imgfw.UsageError) as raised:
        train(FAULTY, changes={"model": fits(10000, 100)})
    assert str(raised.value) == (
        "Out of memory while the val split was evaluated, 144 samples at a time. "
        "Set loader.eval_batch_size to 72."
    )


def test_what_a_cpu_and_a_gpu_raise_is_told_from_other_errors():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(raised.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert not is_out_of_memory(RuntimeError("shapes do not match"))


def test_another_error_of_the_model_is_left_alone(train):
    with pytest.raises(RuntimeError, match="broken kernel"):
        train(FAULTY, changes={**SPLIT, "model": {"type": "faulty", "fault": "kernel", "at": [2]}})
