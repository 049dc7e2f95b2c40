"""A run on a GPU: no step waits for it, what is not finite is skipped, and what does not fit is split.

What a CPU can do as well runs there too; there the fused optimizers skip steps as those of a GPU do.
"""

from __future__ import annotations

import csv
import gc
import json
from contextlib import ExitStack

import imgfw
import pytest
import torch
from imgfw.catalog.catalog import Catalog
from imgfw.engine import guard, runs
from imgfw.engine.building import build_parts
from imgfw.engine.console import Console
from imgfw.engine.evaluation import evaluate
from imgfw.engine.input.bad_data import Quarantine
from imgfw.engine.input.data import build_data
from imgfw.engine.precision import choose_device
from imgfw.engine.saving.past_run import load_best, statistics_of
from imgfw.engine.saving.run_folder import RunFolder
from imgfw.recipe.checking import check
from imgfw.recipe.reading import read_recipe
from torch.utils._python_dispatch import TorchDispatchMode

from .conftest import CLASSIFICATION, fingerprint

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
CUDA = pytest.param("cuda", marks=needs_gpu)
on_both = pytest.mark.parametrize("device", ["cpu", CUDA])


def formats_on(*cpu):
    """Each number format on each device that has it; a CPU has those named."""
    pairs = [("cpu", name) for name in cpu]
    pairs += [pytest.param("cuda", name, marks=needs_gpu) for name in ("fp32", "bf16", "fp16")]
    return pytest.mark.parametrize(("device", "precision"), pairs)


IN_MEMORY = {
    **CLASSIFICATION,
    "transforms": {
        "train": [
            {"type": "random_crop", "size": 8, "padding": 1},
            "random_horizontal_flip",
            "normalize",
            {"type": "mixup", "alpha": 0.2},
        ],
        "eval": ["normalize"],
    },
    "loader": {"batch_size": 128},
    "train": {"epochs": 2, "log_every": 4},
    "callbacks": [],
}
"""Data that is indexed where the model is: nothing of it needs the host."""

_MADE = """
import imgfw
import torch

def made(*, samples: int, side: int = 8, infinite: list[int] = []):
    '''Random images, some of them infinite; each class has a brightness of its own.'''
    labels = torch.arange(samples) % 2
    images = torch.rand(samples, 3, side, side, generator=torch.Generator().manual_seed(0))
    images += labels.view(-1, 1, 1, 1)
    images[infinite] = torch.inf
    info = imgfw.DatasetInfo(task="classification", classes=("a", "b"), channels=3, image_size=(side, side))
    rest = imgfw.InMemory(images[:8].nan_to_num(posinf=0.0), labels[:8])
    return imgfw.Splits(train=imgfw.InMemory(images, labels), val=rest, info=info)

@imgfw.hookimpl
def imgfw_datasets():
    return [made]
"""


@pytest.fixture
def made(tmp_path):
    """The recipe's data: `made(64, infinite=[5])`."""
    plugin = tmp_path / "made.py"
    plugin.write_text(_MADE)

    def changes(samples, **settings):
        data = {"type": "made", "samples": samples, **settings}
        return {"plugins": [str(plugin)], "data": data, "task": "classification", "transforms": {}}

    return changes


@pytest.fixture
def as_on_gpu(monkeypatch):
    """Let the fused optimizers of a CPU skip steps by themselves too."""
    monkeypatch.setattr(
        guard, "can_skip_by_itself", lambda optimizer, device: optimizer._step_supports_amp_scaling
    )


@pytest.fixture
def deterministic(monkeypatch):
    """Kernels that give the same bits each time; torch warns of some that do so here, but not everywhere."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)


def rows_of(result):
    with (result.folder / "metrics.csv").open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def events_of(result, kind):
    entries = map(json.loads, (result.folder / "events.jsonl").read_text().splitlines())
    return [entry for entry in entries if entry["event"] == kind]


def built(recipe, device, changes=(), saved=None):
    """The parts of a recipe on a device."""
    resolved = check(read_recipe(recipe, [*changes, f'train.device="{device}"']), Catalog()).recipe
    data = build_data(resolved, Quarantine(), statistics_of(saved.state) if saved else None)
    return build_parts(resolved, data, choose_device(device), saved)


class NoReading(TorchDispatchMode):
    """Refuses what makes the host wait for a value of a tensor."""

    WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "equal", "is_nonzero")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.__name__.partition(".")[0] in self.WAITING:
            raise AssertionError(f"{func} reads a tensor")
        return func(*args, **(kwargs or {}))


class NoWaiting(imgfw.Callback):
    """Refuses to wait for the device from one log line to the next, but for what an epoch's end takes.

    Args:
        log_every: the recipe's.
    """

    def __init__(self, log_every):
        self.log_every, self.steps, self.place = log_every, 0, ExitStack()

    def on_log(self, run):
        if run.step % run.plan.steps_per_epoch:
            self.place.enter_context(NoReading())
            if run.device.type == "cuda":
                torch.cuda.set_sync_debug_mode("error")
                self.place.callback(torch.cuda.set_sync_debug_mode, "default")
            self.place.callback(self._count, run, run.step)

    def on_step_end(self, run):
        if run.step % self.log_every == 0 or run.step % run.plan.steps_per_epoch == 0:
            self.place.close()

    def _count(self, run, began):
        self.steps += run.step - began


MANY_SETTINGS = {
    "transforms.train": ["random_horizontal_flip", "normalize"],
    "optimizer": {"type": "adamw", "lr": 0.01},
    "train.accumulate": 2,
    "train.clip_grad_norm": 1.0,
    "train.ema_decay": 0.99,
    "train.non_finite": "skip",
    "train.on_out_of_memory": "split",
}


@pytest.mark.filterwarnings("ignore:Synchronization debug mode")  # that it does not see everything
@formats_on("fp32", "bf16")
@pytest.mark.parametrize("settings", [{}, MANY_SETTINGS], ids=["plain", "many settings"])
def test_no_step_waits_for_the_device_from_one_log_line_to_the_next(
    train, as_on_gpu, device, precision, settings
):
    watch = NoWaiting(log_every=4)
    with watch.place:
        changes = {"train.device": device, "train.precision": precision, **settings}
        result = train(IN_MEMORY, changes=changes, callbacks=[watch])
    assert watch.steps == 17 and result.summary["steps"] == 22


@formats_on("bf16")
def test_the_loss_falls_in_each_number_format(train, device, precision):
    result = train(
        IN_MEMORY, changes={"train.device": device, "train.precision": precision, "train.epochs": 3}
    )
    losses = [row["train/loss"] for row in rows_of(result)]
    assert losses[2] < losses[1] < losses[0]


class Weights(imgfw.Callback):
    """Notes the steps that changed neither weights nor buffers."""

    def __init__(self):
        self.unchanged = []

    def on_run_start(self, run):
        self.before = self._copied(run)

    def on_step_end(self, run):
        after = self._copied(run)
        if all(torch.equal(after[name], tensor) for name, tensor in self.before.items()):
            self.unchanged.append(run.step)
        self.before = after

    def _copied(self, run):
        return {name: tensor.clone() for name, tensor in run.model.state_dict().items()}


@formats_on("fp32")
def test_a_batch_that_holds_an_infinite_image_leaves_the_weights_as_they_are(
    train, made, as_on_gpu, device, precision
):
    weights = Weights()
    changes = {
        **made(64, infinite=[5]),
        "loader.batch_size": 8,
        "train.device": device,
        "train.precision": precision,
        "train.non_finite": "skip",
    }
    result = train(IN_MEMORY, changes=changes, callbacks=[weights])
    skipped = events_of(result, "non_finite")
    assert [event["epoch"] for event in skipped] == [1, 2]
    assert all(5 in event["samples"] for event in skipped)
    assert [event["step"] for event in skipped] == weights.unchanged
    assert all(row["train/loss"] < 1e3 for row in rows_of(result))


@pytest.mark.filterwarnings("ignore")  # of kernels that are not deterministic everywhere
@on_both
def test_a_run_that_was_stopped_ends_with_the_same_bits(train, stop_at, deterministic, tmp_path, device):
    changes = {"train.device": device, "train.precision": "bf16"}
    straight = train(IN_MEMORY, "straight", changes)
    stop_at(7)
    with pytest.raises(imgfw.InterruptedRun):
        train(IN_MEMORY, "stopped", changes)
    stop_at(0)
    resumed = runs.resume(tmp_path / "stopped" / "tiny", quiet=True)
    assert fingerprint(resumed.folder) == fingerprint(straight.folder)


@needs_gpu
def test_a_step_that_does_not_fit_the_memory_of_a_gpu_is_split(train, made):
    changes = {
        **made(256, side=64),
        "model": {"type": "resnet9", "width": 64},
        "loader.batch_size": 256,
        "loader.eval_batch_size": 8,
        "train.device": "cuda",
        "train.precision": "fp32",
        "train.on_out_of_memory": "split",
    }
    torch.cuda.reset_peak_memory_stats()
    whole = train(IN_MEMORY, "whole", changes)
    assert events_of(whole, "out_of_memory") == []
    peak, (_, total) = torch.cuda.max_memory_allocated(), torch.cuda.mem_get_info()
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(0.7 * peak / total)
    try:
        split = train(IN_MEMORY, "split", changes)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert [event["step"] for event in events_of(split, "out_of_memory")][:1] == [1]
    assert split.summary["steps"] == whole.summary["steps"]


@on_both
def test_a_model_is_evaluated_as_on_the_cpu(train, device):
    result = train(IN_MEMORY, changes={"train.device": "cpu", "train.precision": "fp32"})
    best = load_best(RunFolder.open(result.folder, writes=False))
    parts = built(result.folder / "recipe.json", device, ["loader.eval_batch_size=50"], best)
    found = evaluate(parts, "val", Console(quiet=True))
    assert next(parts.evaluated.parameters()).device.type == device
    expected = {name: value for name, value in result.summary["best"].items() if name.startswith("val/")}
    assert found.keys() == expected.keys()
    assert found["val/loss"] == pytest.approx(expected["val/loss"], rel=1e-2)  # GPUs may round to TF32
    assert found["val/accuracy"] == pytest.approx(expected["val/accuracy"], abs=0.01)


@on_both
def test_data_in_memory_is_indexed_where_the_model_is(device):
    parts = built(IN_MEMORY, device)
    for loader, jobs in (
        (parts.train_loader, [(0, indices) for indices in parts.batches.micro_batches(0, 0)]),
        (parts.eval_loaders["val"], parts.eval_jobs("val")[:1]),
    ):
        (raw,) = loader.run(jobs)
        assert (raw.images.device.type, raw.targets.device.type) == (device, device)
    assert parts.resolved.auto["loader.num_workers"] == 0


@needs_gpu
@pytest.mark.filterwarnings("ignore")  # of torch's compiler
@pytest.mark.parametrize("accumulate", [1, 2])
def test_cuda_graphs_train_as_the_plain_model_does(train, accumulate):
    changes = {
        "train.device": "cuda",
        "train.precision": "fp32",
        "train.accumulate": accumulate,
        "loader.drop_last": True,
    }
    plain = train(IN_MEMORY, "plain", changes)
    graphed = train(IN_MEMORY, "graphed", {**changes, "train.compile": "reduce-overhead"})
    for expected, found in zip(rows_of(plain), rows_of(graphed), strict=True):
        assert found["train/loss"] == pytest.approx(expected["train/loss"], rel=0.05)
