"""Batches are made ready before they are needed, by whom and when it costs least."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import imgfw
import pytest
import torch
from imgfw import MixedTargets
from imgfw.catalog.catalog import Catalog
from imgfw.engine.input import loading, supply
from imgfw.engine.input.loading import Feeder, RawBatch
from imgfw.engine.input.pipeline import Pipeline
from imgfw.engine.input.sending import BackgroundSender, Sender, map_tensors, sent_ahead
from imgfw.recipe.checking import check
from imgfw.recipe.reading import read_recipe
from imgfw_plugins.transforms import RandomHorizontalFlip

from tests.core.engine.conftest import CLASSIFICATION, FAULTY, SEGMENTATION, fingerprint

CPU = torch.device("cpu")


def test_tensors_are_found_wherever_they_are():
    one, two = torch.ones(1), torch.full((1,), 2.0)
    value = {"a": [one, (two, "text")], "b": MixedTargets(one, two, one), "c": None}
    changed = map_tensors(value, lambda tensor: tensor + 1)
    assert changed == {
        "a": [one + 1, (two + 1, "text")],
        "b": MixedTargets(one + 1, two + 1, one + 1),
        "c": None,
    }
    assert isinstance(changed["b"], MixedTargets)


class Noting:
    """A sender that notes what it is asked to do, and by which thread."""

    def __init__(self):
        self.done, self.threads = [], []

    def send_next(self, batches):
        self.threads.append(threading.current_thread())
        raw = next(batches, None)
        self.done.append(f"send {raw}")
        return raw if raw is None else (raw, f"{raw} is there")

    def receive(self, sent):
        self.done.append(f"receive {sent[1]}")
        return sent[0]


@pytest.fixture
def thread():
    with ThreadPoolExecutor(1) as pool:
        yield pool


def test_a_batch_is_sent_before_the_one_before_it_is_handed_on():
    sender = Noting()
    for raw in sent_ahead(sender, iter("abc")):
        sender.done.append(f"work on {raw}")
    assert sender.done == [
        "send a",
        "send b",
        "receive a is there",
        "work on a",
        "send c",
        "receive b is there",
        "work on b",
        "send None",
        "receive c is there",
        "work on c",
    ]


def test_a_thread_sends_what_was_begun_and_the_caller_what_was_not(thread):
    sender = Noting()
    batches = BackgroundSender(sender, iter("abc"), thread)
    assert next(batches) == "a"
    batches.begin_next()
    batches.begin_next()  # it has begun already
    assert [next(batches), next(batches)] == ["b", "c"]
    batches.begin_next()
    assert list(batches) == []
    main = threading.current_thread()
    assert [number for number, at_work in enumerate(sender.threads) if at_work is main] == [0, 2]
    assert sender.done[:4] == ["send a", "receive a is there", "send b", "receive b is there"]


def test_what_goes_wrong_in_the_thread_is_raised_where_the_batch_is_asked_for(thread):
    def fetched():
        yield "a"
        raise imgfw.DataError("b is missing.")

    batches = BackgroundSender(Noting(), fetched(), thread)
    assert next(batches) == "a"
    batches.begin_next()
    with pytest.raises(imgfw.DataError, match="b is missing"):
        next(batches)


def test_a_thread_that_is_at_work_is_waited_for_before_its_batches_go(thread):
    may_go_on, left = threading.Event(), []

    def fetched():
        may_go_on.wait(10)
        left.append("the thread")
        yield "a"

    batches = BackgroundSender(Noting(), fetched(), thread)
    batches.begin_next()
    threading.Timer(0.05, may_go_on.set).start()
    batches.close()
    left.append("the caller")
    assert left == ["the thread", "the caller"]
    batches.close()  # nothing is left to wait for


def test_a_batch_that_hangs_is_left_after_a_while(thread):
    may_go_on, fetched_all = threading.Event(), []

    def fetched():
        may_go_on.wait(10)
        fetched_all.append("a")
        yield "a"

    batches = BackgroundSender(Noting(), fetched(), thread)
    batches.begin_next()
    batches.close(patience=0.01)
    assert fetched_all == []
    may_go_on.set()


def raw_batch(indices=(2, 0)):
    images = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).reshape(2, 3, 4, 4)[: len(indices)]
    return RawBatch(1, list(indices), images, torch.tensor(indices))


def test_a_batch_that_was_made_ready_is_the_one_that_the_model_would_have_got():
    pipeline = Pipeline([RandomHorizontalFlip()], 3, in_batches=True)
    expected = Feeder(pipeline, CPU, torch.channels_last).prepare(raw_batch())
    feeder = Feeder(pipeline, CPU, torch.channels_last, in_background=True)
    batches = feeder.ahead(iter([raw_batch(()), raw_batch()]))
    assert next(batches).ready is None  # nothing is in it
    feeder.begin_next()
    raw = next(batches)
    assert raw.ready is feeder.prepare(raw)
    assert torch.equal(raw.ready.images, expected.images) and torch.equal(raw.ready.targets, expected.targets)
    assert raw.tensors() == (raw.ready.images, raw.ready.targets)


def test_a_batch_that_does_not_fit_into_memory_ahead_is_left_to_the_step():
    def make_ready(raw):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    sender, raw = Sender(CPU, make_ready), raw_batch()
    assert sender.receive(sender.send_next(iter([raw]))) is raw
    assert raw.ready is None
    assert raw.tensors() == (raw.images, raw.targets)


IN_MEMORY = {
    **CLASSIFICATION,
    "transforms": {
        "train": [{"type": "random_crop", "size": 8, "padding": 1}, "normalize", {"type": "mixup"}],
        "eval": ["normalize"],
    },
}
TOO_LARGE = {"type": "faulty", "fits": [30, 10000]}


@pytest.mark.parametrize(
    ("recipe", "changes"),
    [
        (IN_MEMORY, {}),
        (IN_MEMORY, {"loader.num_workers": 1, "train.log_every": 3}),
        (SEGMENTATION, {"train.accumulate": 2}),
        (FAULTY, {"model": TOO_LARGE, "train.accumulate": 2, "train.on_out_of_memory": "split"}),
    ],
    ids=["data in memory", "workers", "accumulation", "out of memory"],
)
def test_a_run_whose_batches_a_thread_makes_ready_is_the_same_run(train, monkeypatch, recipe, changes):
    plain = train(recipe, "plain", changes)
    monkeypatch.setattr(supply, "may_be_in_background", lambda resolved, device, apart: True)
    threads = set()
    make_ready = Feeder._make_ready

    def noting(self, raw):
        threads.add(threading.current_thread())
        make_ready(self, raw)

    monkeypatch.setattr(Feeder, "_make_ready", noting)
    ahead = train(recipe, "ahead", changes)
    assert fingerprint(ahead.folder) == fingerprint(plain.folder)
    assert len(threads) == 2


def test_a_run_ends_while_its_next_batch_is_made_ready(train, monkeypatch, stop_at):
    monkeypatch.setattr(supply, "may_be_in_background", lambda resolved, device, apart: True)
    stop_at(3)
    with pytest.raises(imgfw.InterruptedRun):
        train(IN_MEMORY, changes={"loader.num_workers": 1})


@pytest.mark.parametrize(
    ("device", "apart", "compiled", "expected"),
    [
        ("cuda", True, False, True),
        ("cuda", True, True, True),
        ("cuda", True, "reduce-overhead", False),
        ("cuda", False, False, False),
        ("cpu", True, False, False),
    ],
)
def test_a_thread_makes_batches_ready_for_a_gpu_unless_they_are_read_in_line_or_graphs_are_recorded(
    device, apart, compiled, expected
):
    recipe = {**CLASSIFICATION, "train": {"epochs": 1, "compile": compiled}}
    resolved = check(read_recipe(recipe), Catalog()).recipe
    assert supply.may_be_in_background(resolved, torch.device(device), apart) is expected


def test_a_thread_is_waited_for_that_is_at_work_when_a_signal_comes(thread):
    """As Ctrl-C does, it comes while the one that trains waits for the thread."""
    goes_on = threading.Event()

    class Slow(Noting):
        def send_next(self, batches):
            goes_on.wait(10)
            return super().send_next(batches)

    sender = Slow()
    background = BackgroundSender(sender, iter("ab"), thread)
    background.begin_next()

    class Interrupted:
        def __init__(self, future):
            self.future = future

        def result(self):
            raise KeyboardInterrupt

        def done(self):
            return self.future.done()

    future = background._pending
    background._pending = Interrupted(future)
    with pytest.raises(KeyboardInterrupt):
        next(background)
    assert background._pending is not None
    background._pending = future
    threading.Timer(0.1, goes_on.set).start()
    background.close()
    assert sender.done == ["send a"]


def test_the_thread_works_on_the_gpu_of_the_run(monkeypatch):
    chosen = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    with loading._thread_on(torch.device("cuda:1")) as pool:
        pool.submit(int).result()
    assert chosen == [torch.device("cuda:1")]
    with loading._thread_on(CPU) as pool:
        assert pool.submit(int).result() == 0
    assert len(chosen) == 1
