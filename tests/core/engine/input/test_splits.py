"""The parts of a dataset: cut, named and measured."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from imgfw import BadSampleError, DataError, DatasetInfo, InMemory, Splits
from imgfw.engine.input.splits import BadSample, SplitView, cut_splits, measure_statistics
from imgfw.recipe.schema import SplitSection
from torchvision import tv_tensors

INFO = DatasetInfo(task="classification", classes=("a", "b", "c"))


def in_memory(labels):
    return InMemory(torch.zeros(len(labels), 3, 1, 1, dtype=torch.uint8), torch.tensor(labels))


class Files:
    """Images of several sizes, read one by one; some cannot be."""

    def __init__(self, images, broken=()):
        self.images = images
        self.broken = broken

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        if index in self.broken:
            raise BadSampleError(self.name_of(index), "is empty")
        return tv_tensors.Image(self.images[index]), 0

    def name_of(self, index):
        return f"{index}.png"


class Raising:
    """A dataset whose every sample fails in its own way."""

    errors = (KeyError("k"), ValueError("two\n  lines"))

    def __len__(self):
        return len(self.errors)

    def __getitem__(self, index):
        raise self.errors[index]


def cut(labels, seed=0, stratified=True, **fractions):
    section = SplitSection(stratified=stratified, **({"val_fraction": 0.0} | fractions))
    return cut_splits(Splits(train=in_memory(labels), info=INFO), section, seed)


def members(view):
    return view.indices.tolist() if view is not None else []


@pytest.mark.parametrize("stratified", [True, False])
@pytest.mark.parametrize(
    ("count", "val", "test"),
    [(100, 0.1, 0.0), (100, 0.2, 0.3), (100, 0.0, 0.25), (7, 0.5, 0.25), (1797, 0.1, 0.2)],
)
def test_the_parts_are_disjoint_complete_and_of_their_share(count, val, test, stratified):
    views = cut([n % 3 for n in range(count)], stratified=stratified, val_fraction=val, test_fraction=test)
    parts = [members(view) for view in (views.train, views.val, views.test)]
    assert sorted(itertools.chain(*parts)) == list(range(count))
    assert all(part == sorted(part) for part in parts)
    assert len(parts[1]) == pytest.approx(val * count, abs=0.5)
    assert len(parts[2]) == pytest.approx(test * count, abs=1)
    assert (views.val is None, views.test is None) == (not val, not test)


def test_a_share_is_at_least_one_sample_and_leaves_one():
    views = cut([0, 1, 2], val_fraction=0.01, test_fraction=0.98)
    assert [len(view) for view in (views.train, views.val, views.test)] == [1, 1, 1]


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_each_class_keeps_its_share(seed):
    labels = [0] * 500 + [1] * 50 + [2] * 10
    views = cut(labels, seed, val_fraction=0.1, test_fraction=0.2)
    counts = [torch.bincount(view.labels(), minlength=3).tolist() for view in (views.val, views.test)]
    for share, found in zip((0.1, 0.2), counts, strict=True):
        assert found == pytest.approx([500 * share, 50 * share, 10 * share], abs=1)
    assert views.info.class_counts == tuple(torch.bincount(views.train.labels(), minlength=3).tolist())


def test_without_stratification_the_labels_make_no_difference():
    views = [cut(labels, stratified=False, val_fraction=0.2) for labels in ([0] * 50, [0, 1] * 25)]
    assert members(views[0].val) == members(views[1].val)


@pytest.mark.parametrize("stratified", [True, False])
@pytest.mark.parametrize("name", ["val", "test"])
def test_the_cut_is_a_function_of_the_seed(name, stratified):
    def part(seed):
        return members(getattr(cut([0, 1] * 50, seed, stratified, **{f"{name}_fraction": 0.2}), name))

    assert part(0) == part(0)
    assert part(0) != part(1)


def test_parts_that_the_dataset_brings_are_left_alone():
    splits = Splits(train=in_memory([0] * 10), val=in_memory([1] * 4), test=in_memory([2] * 3), info=INFO)
    views = cut_splits(splits, SplitSection(val_fraction=0.5, test_fraction=0.4), 0)
    assert [len(view) for view in (views.train, views.val, views.test)] == [10, 4, 3]


def test_the_test_share_is_one_of_all_training_data_where_val_is_the_datasets_own():
    splits = Splits(train=in_memory([0] * 10), val=in_memory([1] * 4), info=INFO)
    views = cut_splits(splits, SplitSection(val_fraction=0.5, test_fraction=0.4), 0)
    assert [len(view) for view in (views.train, views.val, views.test)] == [6, 4, 4]


@pytest.mark.parametrize(("count", "name"), [(0, "train"), (1, "val")])
def test_an_empty_part_is_an_error(count, name):
    with pytest.raises(DataError, match=f"The {name} split is empty"):
        cut([0] * count, val_fraction=0.1)


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0]])
def test_classes_are_not_counted_where_labels_are_out_of_range(labels):
    assert cut(labels).info.class_counts is None


def test_classes_are_not_counted_where_the_dataset_tells_no_labels():
    splits = Splits(train=Files([torch.zeros(3, 1, 1)] * 10), info=INFO)
    views = cut_splits(splits, SplitSection(val_fraction=0.2), 0)
    assert views.info.class_counts is None
    assert views.train.labels() is None
    assert len(views.val) == 2


def test_a_view_returns_the_samples_that_belong_to_it():
    view = SplitView("val", in_memory([0, 1, 2, 1, 0]), torch.tensor([4, 2, 1]))
    assert [view.sample(index)[1] for index in range(3)] == [0, 2, 1]
    assert view.batch([2, 0])[1].tolist() == [1, 0]
    assert view.labels().tolist() == [0, 2, 1]
    assert view.without([view.bad_sample(1, "")]).labels().tolist() == [0, 1]


def test_a_sample_that_cannot_be_read_is_named_by_its_file():
    view = SplitView("val", Files([None] * 9, broken=(7,)), torch.tensor([3, 7]))
    assert view.sample(1) == BadSample("val", 7, "7.png", "is empty")


def test_whatever_a_dataset_raises_is_told_in_one_line():
    view = SplitView("train", Raising())
    assert [view.sample(index).reason for index in range(2)] == ["KeyError: 'k'", "ValueError: two lines"]


def test_a_sample_without_a_name_is_named_by_its_place_in_the_data_it_came_from():
    views = cut([0] * 10, val_fraction=0.2)
    own = int(views.val.indices[1])
    assert views.val.source_of(1) == f"sample {own} of the train data"
    assert views.val.without([views.val.bad_sample(0, "")]).source_of(0) == f"sample {own} of the train data"
    assert SplitView("test", in_memory([0])).source_of(0) == "sample 0 of the test data"


def random_images(*sizes):
    generator = np.random.default_rng(0)
    return [torch.from_numpy(generator.integers(0, 256, (3, *size), dtype=np.uint8)) for size in sizes]


def expected_statistics(images):
    pixels = np.concatenate([image.numpy().reshape(3, -1) for image in images], axis=1) / 255
    return pixels.mean(1), pixels.std(1)


def test_statistics_are_those_of_all_pixels_in_memory():
    images = random_images(*[(6, 5)] * 2100)
    images[7][:] = 255
    dataset = InMemory(torch.stack(images), torch.zeros(2100, dtype=torch.int64))
    found = measure_statistics(SplitView("train", dataset), 3)
    mean, std = expected_statistics(images)
    assert found.mean == pytest.approx(mean, rel=1e-12)
    assert found.std == pytest.approx(std, rel=1e-9)


def test_statistics_weigh_pixels_not_images_and_leave_out_what_cannot_be_read():
    images = random_images((2, 3), (9, 40), (5, 5))
    images[0][:] = 0
    found = measure_statistics(SplitView("train", Files(images, broken=(2,))), 3)
    mean, std = expected_statistics(images[:2])
    assert found.mean == pytest.approx(mean, rel=1e-12)
    assert found.std == pytest.approx(std, rel=1e-9)


def test_statistics_are_the_same_bits_in_any_order_and_either_kind_of_data():
    images = random_images(*[(6, 5)] * 50)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    dataset = InMemory(torch.stack(images), torch.zeros(50, dtype=torch.int64))
    found = [
        measure_statistics(view, 3)
        for view in (
            SplitView("train", dataset),
            SplitView("train", dataset, order),
            SplitView("train", Files(images)),
        )
    ]
    assert dataclasses.astuple(found[0]) == dataclasses.astuple(found[1]) == dataclasses.astuple(found[2])


def test_a_constant_channel_has_a_deviation_to_divide_by():
    found = measure_statistics(SplitView("train", Files([torch.full((3, 4, 4), 9, dtype=torch.uint8)])), 3)
    assert found.mean == pytest.approx([9 / 255] * 3)
    assert all(0 < deviation < 0.01 for deviation in found.std)


def test_data_without_a_readable_image_cannot_be_measured():
    with pytest.raises(DataError, match="No image of the train split can be read"):
        measure_statistics(SplitView("train", Files([None], broken=(0,))), 3)
