"""Which samples are in which batch, and how they come there."""

from __future__ import annotations

import itertools
import os

import pytest
import torch
from imgfw import BadSampleError, DataError, DatasetInfo, ImgfwError, InMemory, MixedTargets, UsageError
from imgfw.engine.input.batch_plan import BatchPlan
from imgfw.engine.input.loading import (
    Feeder,
    Fetcher,
    RawBatch,
    choose_num_workers,
    collate_images,
)
from imgfw.engine.input.pipeline import Pipeline
from imgfw.engine.input.residence import Residence, fits
from imgfw.engine.input.splits import BadSample, SplitView
from imgfw.engine.input.workers import BatchLoader, serving
from imgfw_plugins.tasks.classification import Classification
from imgfw_plugins.tasks.segmentation import Segmentation
from imgfw_plugins.transforms import Mixup, RandomHorizontalFlip, RandomRotation, ToFloat
from torchvision import tv_tensors

INFO = DatasetInfo(task="classification", classes=("a", "b", "c"))
CPU = torch.device("cpu")
PIXELS = torch.randint(0, 256, (40, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


class Files:
    """Images read one by one; `broken` ones cannot be, `mislabeled` ones have a class that does not exist."""

    def __init__(self, images=PIXELS, broken=(), mislabeled=()):
        self.images, self.broken, self.mislabeled = images, broken, mislabeled

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        if index in self.broken:
            raise BadSampleError(self.name_of(index), "is empty")
        return tv_tensors.Image(self.images[index]), 9 if index in self.mislabeled else index % 3

    def name_of(self, index):
        return f"{index}.png"


def noise(image, target):
    return tv_tensors.Image((image * torch.rand(()) + torch.randint(0, 9, image.shape)).byte()), target


def fetcher_of(dataset, *transforms, task=None, accepts_lists=False):
    view = SplitView("train", dataset)
    pipeline = Pipeline(transforms, 5, view.in_batches)
    return Fetcher(view, pipeline, task or Classification(INFO), accepts_lists)


def prepared(dataset, indices, *transforms):
    """A batch as the model gets it."""
    pipeline = Pipeline(transforms, 5, hasattr(dataset, "__getitems__"))
    feeder = Feeder(pipeline, CPU, torch.contiguous_format)
    return feeder.prepare(fetcher_of(dataset, *transforms)[0, indices])


def indices_of(plan, epoch):
    return [list(itertools.chain(*plan.micro_batches(epoch, step))) for step in range(plan.steps_per_epoch)]


@pytest.mark.parametrize(("count", "size"), [(12, 4), (14, 4), (3, 64), (64, 64), (7, 1), (1, 1)])
def test_every_sample_comes_once_an_epoch(count, size):
    plan = BatchPlan(count, size, seed=3)
    batches = indices_of(plan, epoch=2)
    assert sorted(itertools.chain(*batches)) == list(range(count))
    assert all(len(batch) == size for batch in batches[:-1])


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("world_size", [2, 3, 4])
def test_the_parts_of_all_processes_are_the_batch_of_one(world_size, accumulate):
    alone = BatchPlan(101, 12, accumulate=accumulate, seed=3)
    ranks = [
        BatchPlan(101, 12, accumulate=accumulate, seed=3, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    for epoch, step in itertools.product(range(2), range(alone.steps_per_epoch)):
        parts = [plan.micro_batches(epoch, step) for plan in ranks]
        assert len({len(part) for part in parts}) == 1
        assert all(len(micro) for part in parts for micro in part)
        together = [list(itertools.chain(*micro)) for micro in zip(*parts, strict=True)]
        assert sorted(itertools.chain(*together)) == sorted(alone.batch(epoch, step).tolist())
        if len(alone.batch(epoch, step)) == 12:
            assert together == [micro.tolist() for micro in alone.micro_batches(epoch, step)]


def test_accumulation_cuts_the_same_batch_into_parts_of_about_one_size():
    whole, cut = BatchPlan(20, 10, seed=3), BatchPlan(20, 10, accumulate=3, seed=3)
    micro_batches = cut.micro_batches(0, 1)
    assert [len(micro) for micro in micro_batches] == [4, 3, 3]
    assert list(itertools.chain(*micro_batches)) == whole.batch(0, 1).tolist()


def test_a_batch_smaller_than_the_number_of_parts_has_fewer():
    assert [len(micro) for micro in BatchPlan(22, 10, accumulate=5).micro_batches(0, 2)] == [1, 1]


@pytest.mark.parametrize("world_size", [1, 2])
@pytest.mark.parametrize("halvings", [0, 1])
def test_no_part_of_a_last_batch_is_too_small_for_a_batch_norm(world_size, halvings):
    plan = BatchPlan(64 + 14, 64, accumulate=16, smallest=2, world_size=world_size)
    sizes = [len(part) for part in plan.micro_batches(0, 1, halvings)]
    assert len(sizes) == 7 // world_size and min(sizes) >= 2
    assert len(plan.micro_batches(0, 0)) == 16


def test_micro_batches_that_no_batch_norm_can_be_trained_with_are_refused():
    BatchPlan(64, 64, accumulate=64)
    BatchPlan(64, 64, accumulate=32, smallest=2)
    with pytest.raises(UsageError, match=r"accumulate 64 cuts .* single sample") as error:
        BatchPlan(64, 64, accumulate=64, smallest=2)
    assert error.value.hint == "Set it to 32 or less."


@pytest.mark.parametrize(("count", "steps"), [(12, 3), (13, 3), (14, 4), (15, 4)])
def test_a_last_batch_of_one_is_left_out(count, steps):
    assert BatchPlan(count, 4).steps_per_epoch == steps


def test_a_last_batch_with_less_than_a_sample_a_process_is_left_out():
    assert BatchPlan(10, 8, world_size=2).steps_per_epoch == 2
    assert BatchPlan(10, 8, world_size=4).steps_per_epoch == 1


@pytest.mark.parametrize(("count", "steps"), [(12, 3), (14, 3), (15, 3)])
def test_drop_last_leaves_out_a_batch_that_is_not_full(count, steps):
    plan = BatchPlan(count, 4, drop_last=True)
    assert plan.steps_per_epoch == steps
    assert all(len(batch) == 4 for batch in indices_of(plan, 0))


@pytest.mark.parametrize(("count", "drop_last"), [(1, False), (3, True)])
def test_data_that_fills_no_batch_is_an_error(count, drop_last):
    with pytest.raises(DataError, match=f"{count} training samples do not fill a batch of 4"):
        BatchPlan(count, 4, drop_last=drop_last)


def test_a_batch_of_less_than_a_sample_a_process_is_refused():
    with pytest.raises(UsageError, match=r"batch of 3 .* 4 processes"):
        BatchPlan(100, 3, world_size=4)


def test_the_order_is_a_function_of_seed_and_epoch():
    plan = BatchPlan(100, 10, seed=3)
    first, second = indices_of(plan, 0), indices_of(plan, 1)
    assert first != second
    assert indices_of(plan, 0) == indices_of(BatchPlan(100, 10, seed=3), 0) == first
    assert indices_of(BatchPlan(100, 10, seed=4), 0) != first


def test_data_in_memory_is_fetched_whole():
    dataset = InMemory(PIXELS, torch.arange(40) % 3)
    raw = fetcher_of(dataset, ToFloat())[0, [7, 3]]
    assert torch.equal(raw.images, PIXELS[[7, 3]])
    assert raw.targets.tolist() == [1, 0]
    assert (raw.indices, raw.bad, raw.partners) == ([7, 3], [], [])


@pytest.mark.parametrize("transforms", [[RandomHorizontalFlip()], [noise, RandomHorizontalFlip()], []])
def test_images_are_the_same_from_memory_and_one_by_one(transforms):
    in_memory = prepared(InMemory(PIXELS, torch.arange(40) % 3), [7, 3, 9], *transforms)
    one_by_one = prepared(Files(), [7, 3, 9], *transforms)
    assert torch.equal(in_memory.images, one_by_one.images)
    assert torch.equal(in_memory.targets, one_by_one.targets)


def test_samples_that_cannot_be_used_are_left_out_and_reported():
    raw = fetcher_of(Files(broken=(2,), mislabeled=(4,)), noise)[0, [1, 2, 3, 4]]
    good = fetcher_of(Files(), noise)[0, [1, 3]]
    assert raw.indices == [1, 3]
    assert torch.equal(raw.images, good.images)
    assert raw.targets.tolist() == [1, 0]
    assert raw.bad == [
        BadSample("train", 2, "2.png", "is empty"),
        BadSample("train", 4, "4.png", "label 9 is not one of the 3 classes (0..2)"),
    ]


def test_a_batch_of_nothing_but_bad_samples_is_empty():
    raw = fetcher_of(Files(broken=(2, 3)), noise, Mixup())[0, [2, 3]]
    assert raw.indices == []
    assert [item.index for item in raw.bad] == [2, 3]


def test_a_partner_that_cannot_be_used_gives_way_to_the_sample_itself_and_is_reported():
    indices = list(range(10))
    whole = prepared(Files(), indices, noise, Mixup())
    partners = fetcher_of(Files(), noise, Mixup())[0, indices].partners[0].indices
    broken = next(partner for partner in partners if partner not in indices)
    dataset = Files(broken=(broken,))
    assert {item.index for item in fetcher_of(dataset, noise, Mixup())[0, indices].bad} == {broken}
    batch = prepared(dataset, indices, noise, Mixup())
    unmixed = prepared(Files(), indices, noise)
    for place, partner in enumerate(partners):
        if partner == broken:
            torch.testing.assert_close(batch.images[place], unmixed.images[place], rtol=0, atol=0.51 / 255)
            assert batch.targets.second[place] == batch.targets.first[place]
        else:
            assert torch.equal(batch.images[place], whole.images[place])
            assert batch.targets.second[place] == whole.targets.second[place]


SIZES = [torch.zeros(3, 4, 4, dtype=torch.uint8), torch.zeros(3, 5, 4, dtype=torch.uint8)]


@pytest.mark.parametrize("num_workers", [0, 1])
def test_different_sizes_are_an_error_that_says_what_to_do(num_workers):
    assert message_of(BatchLoader(fetcher_of(Files(SIZES)), num_workers), [0, 1]) == (
        "UsageError: Images of different sizes (4x4 and 5x4) cannot stand in one batch. "
        'Add {"type": "resize", "size": [224, 224]} or a crop to the transforms.'
    )


def message_of(loader, indices):
    """The error that a batch ends in."""
    with pytest.raises(ImgfwError) as raised, serving([loader]):
        list(loader.run([(0, indices)]))
    return f"{type(raised.value).__name__}: {raised.value}"


def test_different_sizes_are_a_list_for_a_model_that_takes_lists():
    images = fetcher_of(Files(SIZES), accepts_lists=True)[0, [0, 1]].images
    assert [image.shape for image in images] == [(3, 4, 4), (3, 5, 4)]


def snapshot(batches):
    return [
        (raw.epoch, raw.indices, raw.images.tolist(), raw.targets.tolist(), raw.bad, snapshot(raw.partners))
        for raw in batches
    ]


def test_the_number_of_workers_makes_no_difference():
    dataset = Files(broken=(5,), mislabeled=(11,))
    jobs = [(epoch, [start, start + 1, start + 2]) for epoch in (0, 1) for start in range(0, 30, 3)]
    loaded = {}
    for num_workers in (0, 1, 2):
        rotation = RandomRotation(INFO, degrees=20)
        loader = BatchLoader(fetcher_of(dataset, noise, rotation, Mixup()), num_workers)
        with serving([loader]):
            loaded[num_workers] = [snapshot(loader.run(jobs)), snapshot(loader.run(jobs[3:5]))]
    assert loaded[1] == loaded[0]
    assert loaded[2] == loaded[0]
    assert [item[1] for item in loaded[0][0]][1] == [3, 4]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_jobs_that_were_left_unfinished_do_not_come_back(num_workers):
    loader = BatchLoader(fetcher_of(Files(), noise), num_workers)
    with serving([loader]):
        unfinished = loader.run([(0, [index]) for index in range(20)])
        assert next(unfinished).indices == [0]
        assert [raw.indices for raw in loader.run([(1, [7]), (1, [8])])] == [[7], [8]]


@pytest.mark.parametrize("num_workers", [0, 1])
def test_loading_leaves_the_global_generator_alone(num_workers):
    before = torch.get_rng_state()
    loader = BatchLoader(fetcher_of(Files(), noise), num_workers)
    with serving([loader]):
        list(loader.run([(0, [1, 2])]))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_batch_reaches_the_model_as_floats_in_its_memory_format():
    pipeline = Pipeline([Mixup()], 5, in_batches=True)
    raw = Fetcher(
        SplitView("train", InMemory(PIXELS, torch.arange(40) % 3)), pipeline, Classification(INFO), False
    )
    batch = Feeder(pipeline, CPU, torch.channels_last).prepare(raw[0, [1, 2]])
    assert batch.images.dtype == torch.float32
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert isinstance(batch.targets, MixedTargets)
    assert len(batch) == 2


def test_channels_that_are_adjacent_in_memory_stay_so_until_the_model_wants_planes():
    images = [torch.randint(0, 256, (5, 4, 3), dtype=torch.uint8).permute(2, 0, 1) for _ in range(3)]
    together = collate_images(images, accepts_lists=False)
    assert together.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(together, torch.stack(images))
    mixed = collate_images([images[0].contiguous(), *images[1:]], accepts_lists=False)
    assert torch.equal(mixed, torch.stack([images[0], *images[1:]]))
    raw = RawBatch(0, [0, 1, 2], together, torch.zeros(3))
    for memory_format in (torch.contiguous_format, torch.channels_last):
        batch = Feeder(Pipeline([], 5, in_batches=False), CPU, memory_format).prepare(raw)
        assert batch.images.is_contiguous(memory_format=memory_format)
        assert torch.equal(batch.images, together / 255)


@pytest.mark.parametrize("transforms", [[RandomHorizontalFlip(p=1.0)], [noise, RandomHorizontalFlip(p=1.0)]])
def test_masks_move_with_their_images_and_reach_the_criterion_as_plain_tensors(transforms):
    masks = torch.randint(0, 3, (40, 8, 8), dtype=torch.uint8)
    view = SplitView("train", InMemory(PIXELS, masks))
    pipeline = Pipeline(transforms, 5, in_batches=True)
    raw = Fetcher(view, pipeline, Segmentation(INFO), False)[0, [3, 1]]
    targets = Feeder(pipeline, CPU, torch.contiguous_format).prepare(raw).targets
    assert type(targets) is torch.Tensor
    assert torch.equal(targets.long(), masks[[3, 1]].flip(-1).long())


def test_workers_are_chosen_by_a_rule():
    cores = len(os.sched_getaffinity(0))
    assert choose_num_workers(in_place=True, device=CPU) == 0
    assert choose_num_workers(in_place=False, device=CPU) == min(max(cores - 1, 1), 16)
    assert choose_num_workers(in_place=False, device=torch.device("cuda")) == min(cores, 16)


def test_data_on_a_device_is_there_once_for_all_splits_that_were_cut_from_it():
    data = InMemory(torch.arange(6, dtype=torch.uint8).reshape(6, 1, 1, 1), torch.arange(6))
    splits = [SplitView("train", data, torch.tensor([0, 2, 4])), SplitView("val", data, torch.tensor([5, 1]))]
    residence = Residence(torch.device("cpu"), torch.contiguous_format)
    moved = [residence.of(view) for view in splits]
    assert moved[0].dataset is moved[1].dataset
    assert [view.name for view in moved] == ["train", "val"]
    for view, twin in zip(splits, moved, strict=True):
        assert all(map(torch.equal, view.batch([1, 0]), twin.batch([1, 0])))
    assert not fits(splits[0], torch.device("cpu"))


def test_data_that_is_on_a_device_already_is_known():
    data = InMemory(PIXELS, torch.arange(40))
    train, val = (SplitView(name, data, torch.tensor([0, 1])) for name in ("train", "val"))
    residence = Residence(torch.device("cpu"), torch.contiguous_format)
    assert not residence.has(val)
    residence.of(train)
    assert residence.has(val)
    assert not residence.has(SplitView("test", InMemory(PIXELS, torch.arange(40))))


def test_data_on_a_device_lies_as_the_model_wants_it():
    data = InMemory(PIXELS, torch.arange(40))
    view = SplitView("train", data)
    images, targets = Residence(torch.device("cpu"), torch.channels_last).of(view).batch([3, 1, 2])
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert not images.is_contiguous()
    assert torch.equal(images, PIXELS[[3, 1, 2]])
    assert targets.tolist() == [3, 1, 2]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_a_gpu_gets_the_same_batches_from_its_own_memory(memory_format):
    data = InMemory(torch.randint(0, 256, (64, 3, 8, 8), dtype=torch.uint8), torch.arange(64))
    view, device = SplitView("train", data), torch.device("cuda")
    assert fits(view, device)
    images, targets = Residence(device, memory_format).of(view).batch([3, 1, 2])
    assert images.is_cuda
    assert images.is_contiguous(memory_format=memory_format)
    assert torch.equal(images.cpu(), data.images[[3, 1, 2]])
    assert targets.tolist() == [3, 1, 2]
