"""A loss or a gradient that is not finite never reaches the weights."""

from __future__ import annotations

import json
import math

import imgfw
import pytest
import torch
from imgfw.engine import guard, runs
from PIL import Image
from safetensors.torch import load_file

from .conftest import FAULTY, fingerprint


class Watch(imgfw.Callback):
    """Keeps the model's and the optimizer's state after each step."""

    def __init__(self):
        self.states = []

    def on_run_start(self, run):
        self.states.append(self._state(run))

    def on_step_end(self, run):
        self.states.append(self._state(run))

    def _state(self, run):
        model = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
        optimizer = {
            (number, name): value.clone()
            for number, state in enumerate(run.optimizer.state.values())
            for name, value in state.items()
        }
        return model, optimizer


def same(first, second):
    """Whether two states are the same; an optimizer makes its state in its first step, of zeros."""
    (model, optimizer), (other_model, other_optimizer) = first, second
    started = optimizer or {key: torch.zeros_like(value) for key, value in other_optimizer.items()}
    return all(torch.equal(model[name], other_model[name]) for name in model) and all(
        torch.equal(value, other_optimizer[key]) for key, value in started.items()
    )


def events_of(folder, kind):
    entries = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    return [entry for entry in entries if entry["event"] == kind]


@pytest.fixture
def leave_to_optimizer(monkeypatch):
    """Let the fused optimizers of a CPU skip steps by themselves, as those of a GPU do."""

    def can_skip(optimizer, device):
        return optimizer._step_supports_amp_scaling

    monkeypatch.setattr(guard, "can_skip_by_itself", can_skip)


def skipping(fault, at, optimizer):
    model = {"type": "faulty", "fault": fault, "at": at}
    return {"train.non_finite": "skip", "model": model, "optimizer": optimizer}


def test_files_are_named_where_the_dataset_tells_them(train, tmp_path):
    for split, count in (("train", 3), ("val", 1)):
        for name in ("cat", "dog"):
            folder = tmp_path / "pets" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (8, 8)).save(folder / f"{number}.png")
    changes = {"data": {"type": "image_folder", "root": str(tmp_path / "pets")}, "loader.num_workers": 0}
    with pytest.raises(imgfw.DivergedError, match=r"train/(cat|dog)/\d\.png, .* and 2 more\)"):
        train(FAULTY, changes={**changes, "model": {"type": "faulty", "at": [1]}})
    (event,) = events_of(tmp_path / "runs" / "tiny", "non_finite")
    assert len(event["files"]) == 6


FAULTS = ["activations", "gradient"]


@pytest.mark.parametrize(
    ("fault", "what"),
    [("activations", "The loss is nan"), ("gradient", r"The gradient of features\.0\.weight is not finite")],
)
def test_the_run_stops_and_names_step_epoch_batch_and_samples(train, tmp_path, fault, what):
    watch = Watch()
    place = (
        r"at step 7 \(epoch 2, batch 2, training samples (\d+, ){15}\d+ and 284 more\)\. Lower optimizer\.lr"
    )
    with pytest.raises(imgfw.DivergedError, match=f"{what} {place}") as diverged:
        train(FAULTY, changes={"model": {"type": "faulty", "fault": fault, "at": [7]}}, callbacks=[watch])
    assert diverged.value.exit_code == 5
    assert len(watch.states) == 7  # the seventh step never ended
    folder = tmp_path / "runs" / "tiny"
    assert json.loads((folder / "summary.json").read_text())["status"] == "diverged"
    (event,) = events_of(folder, "non_finite")
    assert (event["step"], len(event["samples"]), event["skipped"]) == (7, 300, False)
    weights = load_file(folder / "checkpoints" / "last" / "model.safetensors")
    assert all(torch.equal(tensor, watch.states[5][0][name]) for name, tensor in weights.items())


@pytest.mark.parametrize("optimizer", ["adam", {"type": "sgd", "lr": 0.01, "momentum": 0.9}])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_skipped_step_changes_neither_weights_nor_averages_nor_the_optimizers_state(
    train, fault, optimizer
):
    watch = Watch()
    changes = skipping(fault, [1, 4, 10], optimizer)
    result = train(FAULTY, changes=changes, callbacks=[watch])
    unchanged = [
        step for step in range(1, len(watch.states)) if same(watch.states[step - 1], watch.states[step])
    ]
    assert unchanged == [1, 4, 10]
    assert [event["step"] for event in events_of(result.folder, "non_finite")] == [1, 4, 10]
    assert result.summary["steps"] == 10  # they count as steps
    rows = (result.folder / "metrics.csv").read_text()
    assert "nan" not in rows and "inf" not in rows


@pytest.mark.parametrize("optimizer", ["adam", {"type": "sgd", "lr": 0.01, "momentum": 0.9}])
@pytest.mark.parametrize("fault", FAULTS)
def test_an_optimizer_that_skips_by_itself_gives_the_same_run(
    train, fault, optimizer, leave_to_optimizer, monkeypatch
):
    changes = skipping(fault, [1, 4, 10], optimizer)
    deferred = train(FAULTY, "deferred", changes)
    monkeypatch.undo()
    waited = train(FAULTY, "waited", changes)
    assert fingerprint(deferred.folder) == fingerprint(waited.folder)
    samples = [
        [event["samples"] for event in events_of(result.folder, "non_finite")]
        for result in (deferred, waited)
    ]
    assert samples[0] == samples[1] and len(samples[0]) == 3


def test_an_optimizer_that_skips_by_itself_is_reported_with_the_next_log(train, leave_to_optimizer):
    watch = Watch()
    with pytest.raises(
        imgfw.DivergedError, match=r"The loss or a gradient is not finite at step 3 \(epoch 1"
    ):
        train(FAULTY, changes={"model": {"type": "faulty", "at": [3]}}, callbacks=[watch])
    assert len(watch.states) == 5  # log_every is 2
    (before, _), (after, _) = watch.states[2:4]
    assert all(
        torch.equal(before[name], after[name]) for name in before if "weight" in name or "bias" in name
    )


def test_what_was_left_to_the_optimizer_is_reported_before_anything_is_saved(
    train, leave_to_optimizer, stop_at, tmp_path
):
    stop_at(3)
    with pytest.raises(imgfw.DivergedError, match="step 3"):
        train(FAULTY, changes={"model": {"type": "faulty", "at": [3]}, "train.log_every": 100})
    assert not (tmp_path / "runs" / "tiny" / "checkpoints").exists()


def test_the_budget_is_that_of_the_run_however_often_it_is_resumed(train, stop_at, tmp_path):
    stop_at(4)
    # The model counts its batches anew in each session: the third step of each is skipped.
    changes = {
        "train.non_finite": "skip",
        "train.max_skipped_steps": 1,
        "model": {"type": "faulty", "at": [3]},
    }
    with pytest.raises(imgfw.InterruptedRun):
        train(FAULTY, changes=changes)
    stop_at(0)
    with pytest.raises(imgfw.DivergedError, match=r"step 7 .* but train\.max_skipped_steps is 1\."):
        runs.resume(tmp_path / "runs" / "tiny", quiet=True)


def test_an_epoch_without_a_step_that_counts_has_no_loss_and_is_never_best(train):
    result = train(
        FAULTY,
        changes={
            "train.non_finite": "skip",
            "model": {"type": "faulty", "at": [6, 7, 8, 9, 10]},
            "checkpoint.monitor": "train/loss",
        },
    )
    assert result.summary["best"]["epoch"] == 1


@pytest.mark.parametrize("value", [0.0, -1e30, 3e38, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtypes", [[torch.float32], [torch.float32, torch.bfloat16]])
def test_gradients_are_looked_at_exactly_and_left_as_they_are(value, dtypes):
    gradients = [
        torch.full((2, 8, 3, 3), value, dtype=dtype).to(memory_format=torch.channels_last) for dtype in dtypes
    ]
    gradients[0][0] = 1e-42
    before = [gradient.clone() for gradient in gradients]
    model = torch.nn.Module()
    for number, gradient in enumerate(gradients):
        model.register_parameter(str(number), torch.nn.Parameter(gradient.clone()))
    look = guard.FiniteCheck(model, torch.device("cpu"))
    assert bool(look(gradients)) == (not math.isfinite(value))
    for loss in (torch.tensor(value), torch.tensor(value, dtype=torch.bfloat16)):
        assert bool(look([torch.ones(2)], loss)) == (not math.isfinite(float(loss)))
    for gradient, kept in zip(gradients, before, strict=True):
        assert torch.equal(gradient.nan_to_num(7), kept.nan_to_num(7))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_gpu_skips_the_step_and_the_run_goes_on(train, fault, precision):
    changes = {"train.non_finite": "skip", "model": {"type": "faulty", "fault": fault, "at": [4]}}
    result = train(FAULTY, changes={**changes, "train.device": "cuda", "train.precision": precision})
    steps = [event["step"] for event in events_of(result.folder, "non_finite")]
    assert steps == ([4] if precision == "fp32" or fault == "activations" else [])
    assert result.status == "completed"
