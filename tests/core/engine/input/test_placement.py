"""Where transforms work: in which stage, with which data, on which device."""

from __future__ import annotations

import pytest
from imgfw import DatasetInfo
from imgfw.catalog.catalog import Catalog
from imgfw.engine.input.data import build_data
from imgfw.engine.input.pipeline import Pipeline
from imgfw.recipe.checking import check
from imgfw.recipe.reading import read_recipe
from imgfw_plugins.transforms import (
    Mixup,
    RandAugment,
    RandomCrop,
    RandomErasing,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotation,
    Resize,
    ToFloat,
)
from PIL import Image

from tests.core.engine.conftest import DETECTION, SEGMENTATION, fingerprint

INFO = DatasetInfo(task="classification", classes=("cat", "dog"))

FLIP, CROP, RESIZED_CROP = RandomHorizontalFlip(), RandomCrop(INFO, size=8), RandomResizedCrop(size=8)
BICUBIC = RandomResizedCrop(size=8, interpolation="bicubic")
ROTATION, POLICY = RandomRotation(INFO, degrees=9), RandAugment(INFO)


def num_on_samples(transforms, **settings):
    """How many of the transforms work on samples."""
    pipeline = Pipeline(transforms, 0, **{"in_batches": False, **settings})
    assert len(pipeline.on_samples) + len(pipeline.on_batches) == len(transforms)
    return len(pipeline.on_samples)


@pytest.mark.parametrize(
    ("transforms", "on_cpu", "on_gpu"),
    [
        ([FLIP, ROTATION, CROP, ToFloat()], 0, 0),
        ([FLIP, RESIZED_CROP, ROTATION, ToFloat()], 2, 0),
        ([FLIP, BICUBIC, ROTATION, ToFloat()], 2, 2),
        ([Mixup(), RESIZED_CROP, ToFloat()], 0, 0),
        ([POLICY, BICUBIC, POLICY, FLIP], 2, 2),
    ],
)
def test_data_in_batches_stays_so_from_where_all_that_follow_can_and_want_it(transforms, on_cpu, on_gpu):
    assert num_on_samples(transforms, in_batches=True) == on_cpu
    assert num_on_samples(transforms, in_batches=True, device_type="cuda") == on_gpu


@pytest.mark.parametrize(
    ("transforms", "one_size_from", "expected"),
    [
        ([RESIZED_CROP, FLIP, ROTATION, ToFloat()], 1, 1),
        ([RESIZED_CROP, FLIP, ROTATION, ToFloat()], None, 3),
        ([RESIZED_CROP, FLIP, BICUBIC, POLICY], 1, 3),
        ([FLIP, ROTATION], 0, 0),
        ([FLIP, Mixup(), RESIZED_CROP], 3, 1),
    ],
)
def test_data_one_by_one_becomes_a_batch_on_a_gpu_when_images_have_one_size(
    transforms, one_size_from, expected
):
    on_gpu = {"device_type": "cuda", "one_size_from": one_size_from}
    assert num_on_samples(transforms, **on_gpu) == expected
    last = num_on_samples(transforms, one_size_from=one_size_from)
    assert last == num_on_samples(transforms) >= expected


@pytest.mark.parametrize("device_type", ["cpu", "cuda"])
def test_what_resamples_stays_on_samples_where_a_recipe_wants_one_resampling(device_type):
    pytest.importorskip("cv2")
    in_memory = {"in_batches": True, "device_type": device_type, "one_warp": True}
    assert num_on_samples([FLIP, ROTATION, CROP, FLIP, RandomErasing(INFO)], **in_memory) == 2
    assert num_on_samples([FLIP, Resize(size=9), CROP, FLIP, ToFloat()], **in_memory) == 2
    assert num_on_samples([CROP, FLIP, RandomErasing(INFO), ToFloat()], **in_memory) == 0
    files = {"device_type": device_type, "one_size_from": 1, "one_warp": True}
    on_cpu = device_type == "cpu"
    assert num_on_samples([CROP, ROTATION, FLIP, RandomErasing(INFO), ToFloat()], **files) == 2 + 2 * on_cpu


def built(recipe, device, **transforms):
    """The data of a recipe whose model would be on a device, which nothing asks yet."""
    changed = {**recipe, "train": {**recipe["train"], "device": device}, "transforms": transforms}
    return build_data(check(read_recipe(changed), Catalog()).recipe, lambda sample: None)


def names(stage):
    return [type(item).__name__ for _, item in stage]


@pytest.fixture
def photos(tmp_path):
    """A recipe for files of two sizes."""
    for number in range(6):
        path = tmp_path / "photos" / f"class{number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40 + number % 3, 30)).save(path)
    return {
        "data": {"type": "image_folder", "root": str(tmp_path / "photos")},
        "split": {"val_fraction": 0.2, "test_fraction": 0.2},
        "model": {"type": "resnet9", "width": 8},
        "train": {"epochs": 1},
    }


TRANSFORMS = [
    "random_horizontal_flip",
    {"type": "resize", "size": 26},
    {"type": "random_crop", "size": 24},
    {"type": "random_rotation", "degrees": 10},
    "normalize",
]


def test_workers_only_decode_crop_and_resize_files_for_a_gpu(photos):
    data = built(photos, "cuda", train=TRANSFORMS, eval=[{"type": "resize", "size": [24, 24]}, "normalize"])
    assert names(data.train_pipeline.on_samples) == ["RandomHorizontalFlip", "Resize", "RandomCrop"]
    assert names(data.train_pipeline.on_batches) == ["RandomRotation", "Normalize"]
    assert names(data.eval_pipeline.on_samples) == ["Resize"]
    assert data.info.image_size == (24, 24)


def test_files_stay_single_on_a_cpu(photos):
    data = built(photos, "cpu", train=TRANSFORMS, eval=[{"type": "resize", "size": [24, 24]}, "normalize"])
    assert names(data.train_pipeline.on_batches) == names(data.eval_pipeline.on_batches) == ["Normalize"]


@pytest.mark.parametrize("where", ["none", "ram"])
def test_a_run_whose_files_become_batches_early_is_the_same_with_any_workers(
    photos, train, monkeypatch, where
):
    """As it is for a GPU, on a CPU."""
    monkeypatch.setattr("imgfw.engine.input.data.device_type_of", lambda name: "cuda")
    colours = {"type": "color_jitter", "brightness": 0.4, "contrast": 0.4, "hue": 0.1}
    transforms = [{"type": "resize", "size": [26, 28]}, {"type": "random_resized_crop", "size": 24}]
    transforms += [*TRANSFORMS[3:4], {"type": "random_apply", "transforms": [colours]}]
    evaluated = [{"type": "resize", "size": [24, 24]}, "normalize"]
    changes = {
        "transforms": {"train": [*transforms, "normalize", "mixup"], "eval": evaluated},
        "train": {"epochs": 2, "device": "cpu"},
        "loader": {"batch_size": 2, "num_workers": 0, "cache": where},
    }
    alone = fingerprint(train(photos, "alone", changes).folder)
    changes["loader"]["num_workers"] = 2
    assert fingerprint(train(photos, "with workers", changes).folder) == alone


def test_masks_are_moved_in_batches_and_boxes_one_by_one():
    transforms = ["random_horizontal_flip", {"type": "random_rotation", "degrees": 10}, "normalize"]
    masks = built(SEGMENTATION, "cuda", train=transforms, eval=["normalize"])
    assert not masks.train_pipeline.on_samples
    moved = {"train": [*transforms[:2], "to_float"], "eval": ["to_float"]}
    boxes = built(DETECTION, "cuda", **moved)
    assert names(boxes.train_pipeline.on_samples) == ["RandomHorizontalFlip", "RandomRotation"]
