"""Images decoded no larger than needed come out of the transforms as if they had been decoded whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from imgfw import About, DataError, DatasetInfo
from imgfw.engine.input.loading import Fetcher
from imgfw.engine.input.pipeline import Pipeline, to_float
from imgfw.engine.input.splits import SplitView
from imgfw.engine.input.workers import BatchLoader
from imgfw.engine.precision import choose_precision
from imgfw.engine.predictor import Predictor
from imgfw_plugins.datasets.image_folder import image_folder
from imgfw_plugins.tasks import PROVIDERS as TASKS
from imgfw_plugins.transforms import (
    CenterCrop,
    ColorJitter,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
)
from PIL import Image
from torchvision import tv_tensors

INFO = DatasetInfo(task="classification", classes=("cat", "dog"))
CLASSIFICATION, SEGMENTATION = (
    next(task for task in TASKS if task.__name__ == name)(INFO) for name in ("Classification", "Segmentation")
)
SIZES = ((480, 640), (641, 479), (333, 1003), (64, 80))

LISTS = {
    "random resized crop": lambda: [RandomResizedCrop(size=56), RandomHorizontalFlip()],
    "flips before a crop": lambda: [RandomHorizontalFlip(), RandomVerticalFlip(), RandomResizedCrop(size=56)],
    "resize and centre": lambda: [Resize(size=60), CenterCrop(INFO, size=56)],
    "resize and a random crop": lambda: [Resize(size=60), RandomResizedCrop(size=56)],
    "a crop of pixels": lambda: [CenterCrop(INFO, size=400), Resize(size=(56, 56))],
    "resize and rotate": lambda: [Resize(size=(56, 56)), RandomRotation(INFO, degrees=(30, 30))],
}


@pytest.fixture
def photos(tmp_path):
    """Smooth pictures of several sizes in a folder of images; and the folder as a split."""
    for number, (height, width) in enumerate(SIZES):
        small = np.random.default_rng(number).integers(0, 256, (5, 6, 3), dtype=np.uint8)
        path = tmp_path / ("cat", "dog")[number % 2] / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(path, quality=95)
    return SplitView("train", image_folder(root=tmp_path).train)


class Whole:
    """A dataset that decodes every image whole."""

    def __init__(self, dataset):
        self._dataset = dataset
        self.name_of = dataset.name_of

    def __len__(self):
        return len(self._dataset)

    def __getitem__(self, index):
        return self._dataset[index]


def fetched(view, transforms, task=CLASSIFICATION, one_warp=False, accepts_lists=True, epoch=0):
    fetcher = Fetcher(view, Pipeline(transforms, 3, False, one_warp=one_warp), task, accepts_lists)
    return fetcher[(epoch, list(range(len(view))))].images


def sizes_read(view, monkeypatch):
    """The sizes of all images that the split's dataset reads from now on."""
    seen, read = [], type(view.dataset).read

    def spy(self, index, least_size):
        sample = read(self, index, least_size)
        seen.append(tuple(sample[0].shape[1:]))
        return sample

    monkeypatch.setattr(type(view.dataset), "read", spy)
    return seen


@pytest.mark.parametrize("one_warp", [False, True], ids=["one by one", "in one resampling"])
@pytest.mark.parametrize("name", sorted(LISTS))
def test_transforms_make_the_same_of_images_decoded_small(name, one_warp, photos, monkeypatch):
    whole = SplitView("train", Whole(photos.dataset))
    seen = sizes_read(photos, monkeypatch)
    expected = fetched(whole, LISTS[name](), one_warp=one_warp)
    seen.clear()
    found = fetched(photos, LISTS[name](), one_warp=one_warp)
    assert any(size not in SIZES for size in seen)
    for image, other in zip(found, expected, strict=True):
        off = (image.float() - other.float()).abs()
        assert off.mean() < 1.5 and (off > 15).float().mean() < 0.02


def test_an_image_that_is_not_reduced_keeps_every_bit(photos):
    small = SplitView(photos.name, photos.dataset, photos.indices[3:])
    transforms = [RandomResizedCrop(size=56)]
    [found] = fetched(small, transforms)
    [expected] = fetched(SplitView("train", Whole(small.dataset), small.indices), transforms)
    assert torch.equal(found, expected)


@pytest.mark.parametrize(
    "transforms",
    [
        [RandomRotation(INFO, degrees=30), Resize(size=20)],
        [ColorJitter(INFO, brightness=0.1), Resize(size=20)],
        [CenterCrop(INFO, size=(700, 1100)), Resize(size=20)],
        [],
    ],
    ids=["turned", "coloured", "filled in", "as it is"],
)
def test_images_come_whole_where_the_first_transform_wants_them_whole(transforms, photos, monkeypatch):
    seen = sizes_read(photos, monkeypatch)
    fetched(photos, transforms)
    assert set(seen) == set(SIZES)


class Masked(Whole):
    """A dataset of masks, all of one class, that could decode images small."""

    def __getitem__(self, index):
        image, _ = self._dataset[index]
        return image, tv_tensors.Mask(torch.ones(image.shape[1:], dtype=torch.uint8))

    def read(self, index, least_size):
        raise AssertionError("the mask would have another size")


def test_images_come_whole_for_tasks_whose_targets_have_places(photos):
    view = SplitView("train", Masked(photos.dataset))
    fetcher = Fetcher(view, Pipeline([Resize(size=(20, 20))], 0, False), SEGMENTATION, False)
    batch = fetcher[(0, [0, 1])]
    assert batch.images.shape == (2, 3, 20, 20) and not batch.bad


def test_prediction_sees_what_evaluation_sees(photos):
    transforms = [Resize(size=60), CenterCrop(INFO, size=56)]
    pipeline, cpu = Pipeline(transforms, 3, False), torch.device("cpu")
    precision = choose_precision(cpu, "fp32", False, torch.nn.Identity())
    looked_at = []

    class Looks(torch.nn.Module):
        def forward(self, images):
            looked_at.append(images)
            return torch.zeros(len(images), 2)

    predictor = Predictor(Looks(), CLASSIFICATION, pipeline, precision, About())
    predictor.predict([photos.source_of(index) for index in range(len(SIZES))])
    assert torch.equal(looked_at[0], to_float(fetched(photos, transforms)))


def test_a_transform_that_fails_is_named_and_not_the_image(photos):
    with pytest.raises(DataError, match="random_crop cuts 900 x 900 pixels"):
        fetched(photos, [RandomCrop(INFO, size=900)])


def test_the_number_of_workers_changes_not_one_bit(photos):
    fetcher = Fetcher(photos, Pipeline([RandomResizedCrop(size=20)], 3, False), CLASSIFICATION, False)
    jobs = [(epoch, [3, 1, 0, 2]) for epoch in range(2)]
    alone = [batch.images for batch in BatchLoader(fetcher, 0).run(jobs)]
    worked = [batch.images for batch in BatchLoader(fetcher, 2).run(jobs)]
    assert all(torch.equal(one, other) for one, other in zip(alone, worked, strict=True))
    assert not torch.equal(alone[0], alone[1])
