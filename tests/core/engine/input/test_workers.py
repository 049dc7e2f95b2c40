"""Workers that die, fail, or have nothing left to do."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time

import pytest
import torch
from imgfw import DataError, DatasetInfo, PluginError
from imgfw.engine.input.loading import Fetcher
from imgfw.engine.input.pipeline import Pipeline
from imgfw.engine.input.splits import SplitView
from imgfw.engine.input.workers import BatchLoader, serving
from imgfw_plugins.tasks.classification import Classification
from torchvision import tv_tensors

INFO = DatasetInfo(task="classification", classes=("a", "b", "c"))
PIXELS = torch.zeros(3, 4, 4, dtype=torch.uint8)
JOBS = [(2, [start, start + 1]) for start in range(0, 24, 2)]


def kill(number):
    os.kill(os.getpid(), number)


ENDINGS = {
    "was killed by SIGKILL (out of memory, as a rule)": lambda: kill(signal.SIGKILL),
    "was killed by SIGSEGV": lambda: kill(signal.SIGSEGV),
    "ended with exit code 1": lambda: os._exit(1),
}


class Files:
    """Images read one by one; something happens at one of them."""

    def __init__(self, at=-1, happens=lambda: None):
        self.at, self.happens = at, happens

    def __len__(self):
        return 24

    def __getitem__(self, index):
        if index == self.at:
            self.happens()
        return tv_tensors.Image(PIXELS), index % 3

    def name_of(self, index):
        return f"{index}.png"


def loader_of(dataset, num_workers, *transforms):
    view = SplitView("train", dataset)
    return BatchLoader(
        Fetcher(view, Pipeline(transforms, 5, False), Classification(INFO), False), num_workers
    )


def consume(loader, jobs=JOBS):
    with serving([loader]):
        return [raw.indices for raw in loader.run(jobs)]


# Torch's signal handler may raise while torch opens a file.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("num_workers", [1, 2, 4])
@pytest.mark.parametrize("at", [0, 7])
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_worker_that_dies_is_an_error_at_once_that_says_what_it_read(ending, at, num_workers):
    began = time.monotonic()
    with pytest.raises(DataError) as raised:
        consume(loader_of(Files(at, ENDINGS[ending]), num_workers))
    assert time.monotonic() - began < 60  # it does not hang; torch itself may take 5 s to look
    message = (
        f"A data worker {ending} while it read {at}.png (train split, epoch 3). If memory ran out, lower"
    )
    assert str(raised.value).startswith(message)


def wait_for_the_death_of(loader):
    deadline = time.monotonic() + 5
    while not loader.death() and time.monotonic() < deadline:
        signal.sigtimedwait([], 0.01)


def test_a_worker_that_dies_while_its_batch_is_not_due_is_noticed_wherever_the_process_is():
    loader = loader_of(Files(3, ENDINGS["ended with exit code 1"]), 2)
    with pytest.raises(DataError, match=r"while it read 3\.png"), serving([loader]):
        assert next(loader.run(JOBS)).indices == [0, 1]
        wait_for_the_death_of(loader)


def test_a_worker_that_dies_in_a_transform_names_the_batch():
    def die(image, target):
        os._exit(1)

    with pytest.raises(
        DataError, match=r"while it prepared the batch of 0\.png, 1\.png \(train split, epoch 3\)"
    ):
        consume(loader_of(Files(), 1, die))


def test_a_worker_that_dies_without_work_says_so():
    loader = loader_of(Files(), 1)
    with (
        pytest.raises(DataError, match=r"was killed by SIGKILL .* while it waited for work"),
        serving([loader]),
    ):
        list(loader.run(JOBS))
        os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
        wait_for_the_death_of(loader)


@pytest.mark.parametrize("num_workers", [0, 1])
@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        (lambda: {}["key"], "KeyError: 'key'"),
        (lambda: sys.exit(3), "SystemExit: 3"),
        (sys.exit, "SystemExit"),
    ],
)
def test_whatever_the_dataset_does_is_its_samples_fault(num_workers, happens, reason):
    loader = loader_of(Files(3, happens), num_workers)
    with serving([loader]):
        bad = [sample for raw in loader.run(JOBS) for sample in raw.bad]
    assert [(sample.source, sample.reason) for sample in bad] == [("3.png", reason)]


def interrupt():
    raise KeyboardInterrupt


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_keyboard_interrupt_within_the_dataset_arrives_as_one(num_workers):
    with pytest.raises(KeyboardInterrupt):
        consume(loader_of(Files(3, interrupt), num_workers))


def test_what_cannot_be_sent_to_a_worker_is_an_error_that_says_what_to_do(monkeypatch):
    loader = loader_of(Files(3, lambda: None), 1)
    loader._loader.multiprocessing_context = "spawn"
    with pytest.raises(PluginError, match=r"cannot be sent to a data worker: .*lambda.*num_workers to 0"):
        consume(loader)


@pytest.mark.parametrize("finished", [True, False])
def test_workers_end_with_the_context_though_a_cycle_keeps_the_loader(finished):
    loader = loader_of(Files(), 2)
    loader.itself = loader
    with serving([loader]):
        batches = loader.run(JOBS)
        next(batches)
        if finished:
            list(batches)
        assert len(multiprocessing.active_children()) == 2
        began = time.monotonic()
    assert time.monotonic() - began < 3
    assert multiprocessing.active_children() == []


def test_another_error_stays_what_it_is():
    loader = loader_of(Files(), 1)
    with pytest.raises(RuntimeError, match=r"^mine$"), serving([loader]):
        next(loader.run(JOBS))
        raise RuntimeError("mine")
