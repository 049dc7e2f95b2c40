"""Affine maps: what they say agrees with what the transforms do, alone and in a row."""

from __future__ import annotations

import random

import pytest
import torch
from imgfw import DatasetInfo, Keys, UsageError, Warp
from imgfw.engine.input import opencv
from imgfw.engine.input.pipeline import Pipeline
from imgfw.engine.input.warping import composed, covers, inverse, merged, scales, then
from imgfw_plugins.transforms import (
    CenterCrop,
    Pad,
    RandomAffine,
    RandomCrop,
    RandomGrayscale,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
)
from torchvision import tv_tensors

INFO = DatasetInfo(task="segmentation", classes=("sky", "sea", "land"))
OBJECTS = DatasetInfo(task="detection", classes=("cat", "dog"))

MAKE = {
    "center_crop": lambda info: CenterCrop(info, size=(70, 90)),
    "center_crop of more than there is": lambda info: CenterCrop(info, size=(150, 131), fill=90.0),
    "pad": lambda info: Pad(info, padding=(3, 9, 14, 6), fill=200.0),
    "random_affine": lambda info: RandomAffine(
        info,
        degrees=25,
        translate=(0.1, 0.2),
        scale=(0.8, 1.3),
        shear=(-10, 10, -6, 6),
        interpolation="bilinear",
    ),
    "random_crop": lambda info: RandomCrop(info, size=(80, 100), padding=10, pad_if_needed=True, fill=30.0),
    "random_horizontal_flip": lambda info: RandomHorizontalFlip(),
    "random_resized_crop": lambda info: RandomResizedCrop(size=(72, 61)),
    "random_rotation": lambda info: RandomRotation(info, degrees=60, interpolation="bilinear", fill=99.0),
    "random_vertical_flip": lambda info: RandomVerticalFlip(),
    "resize": lambda info: Resize(size=(88, 57)),
    "resize of the shorter side": lambda info: Resize(size=150),
}
HEIGHT, WIDTH = 120, 101
COUNT = 6


def smooth(height=HEIGHT, width=WIDTH, channels=3):
    """A picture without edges: uint8 `[C, H, W]`."""
    y = torch.linspace(0, 1, height)[:, None]
    x = torch.linspace(0, 1, width)[None, :]
    waves = [torch.sin(5 * x + 3 * y + n) + torch.cos(4 * y - 2 * x * (n + 1)) for n in range(channels)]
    return tv_tensors.Image((torch.stack(waves) * 50 + 128).to(torch.uint8))


def areas():
    """A mask of large areas."""
    y, x = torch.arange(HEIGHT)[:, None], torch.arange(WIDTH)[None, :]
    return tv_tensors.Mask(((x + y) // 60 % 3).to(torch.uint8))


def results(transforms, one_warp, target=None, image=None):
    pipeline = Pipeline(transforms, 5, False, one_warp=one_warp)
    sample = (smooth() if image is None else image, target)
    return pipeline.apply_to_samples([sample] * COUNT, 0, range(COUNT))


def difference(one, other):
    """How far two images are from each other, in grey levels: the mean, and the share of pixels far off."""
    assert one.shape == other.shape and one.dtype == other.dtype
    off = (one.as_subclass(torch.Tensor).float() - other.as_subclass(torch.Tensor).float()).abs()
    return float(off.mean()), float((off > 12).float().mean())


@pytest.mark.parametrize("name", sorted(MAKE))
def test_one_map_makes_the_image_that_the_transform_makes(name):
    transform = MAKE[name](INFO)
    assert transform.is_warp()
    for (image, _), (warped, _) in zip(results([transform], False), results([transform], True), strict=True):
        mean, far = difference(image, warped)
        assert mean < 1.2 and far < 0.03  # far off are pixels along the edge of what is filled in


@pytest.mark.parametrize("seed", range(12))
def test_maps_in_a_row_make_in_one_resampling_what_they_make_one_by_one(seed):
    chosen = random.Random(seed).sample(sorted(MAKE), 3)
    transforms = [MAKE[name](INFO) for name in chosen]
    one_by_one, at_once = results(transforms, False, areas()), results(transforms, True, areas())
    for (image, mask), (warped, warped_mask) in zip(one_by_one, at_once, strict=True):
        mean, far = difference(image, warped)
        assert mean < 2 and far < 0.03, chosen
        assert mask.shape == warped_mask.shape and mask.dtype == warped_mask.dtype
        assert float((mask != warped_mask).float().mean()) < 0.06, chosen


def test_flips_and_whole_crops_are_exact():
    transforms = [RandomHorizontalFlip(), RandomCrop(INFO, size=64), RandomVerticalFlip()]
    one_by_one, at_once = results(transforms, False, areas()), results(transforms, True, areas())
    for (image, mask), (warped, warped_mask) in zip(one_by_one, at_once, strict=True):
        assert torch.equal(image, warped) and torch.equal(mask, warped_mask)


def test_boxes_go_where_they_go_one_by_one():
    corners = torch.tensor([[10.0, 20.0, 60.0, 70.0], [80.0, 90.0, 100.0, 119.0], [0.0, 0.0, 9.0, 9.0]])
    boxes = tv_tensors.BoundingBoxes(corners, format="XYXY", canvas_size=(HEIGHT, WIDTH))
    target = {"boxes": boxes, "labels": torch.tensor([1, 2, 3])}
    for names in (["random_rotation", "random_resized_crop"], ["random_affine"], ["random_crop", "resize"]):
        transforms = [MAKE[name](OBJECTS) for name in names]
        one_by_one, at_once = results(transforms, False, target), results(transforms, True, target)
        for (_, expected), (_, found) in zip(one_by_one, at_once, strict=True):
            assert found["boxes"].canvas_size == expected["boxes"].canvas_size
            assert found["labels"].tolist() == expected["labels"].tolist()
            torch.testing.assert_close(found["boxes"], expected["boxes"], rtol=0, atol=1.5)


@pytest.mark.parametrize(
    "transforms",
    [
        [Resize(size=(30, 25))],
        [RandomRotation(INFO, degrees=(45, 45)), Resize(size=(30, 25))],
        [CenterCrop(INFO, size=(90, 97)), Resize(size=(30, 31))],
    ],
    ids=["of rows and columns", "of a turned image", "of a part"],
)
def test_what_shrinks_is_averaged(transforms):
    stripes = torch.zeros(3, HEIGHT, WIDTH, dtype=torch.uint8)
    stripes[:, :, ::2] = stripes[:, ::2] = 255
    for image, _ in results(transforms, True, image=tv_tensors.Image(stripes)):
        middle = image[:, 10:20, 9:16].float()
        assert 175 < middle.mean() < 207 and middle.std() < 25  # 3/4 of the pixels are white


def test_what_one_crop_cuts_off_does_not_come_back():
    transforms = [CenterCrop(INFO, size=60), Pad(INFO, padding=20, fill=7.0)]
    for image, mask in results(transforms, True, areas()):
        border = torch.ones(100, 100, dtype=torch.bool)
        border[20:80, 20:80] = False
        assert (image[:, border] == 7).all() and (mask[border] == 255).all()
        assert (mask[~border] != 255).all()


def test_uncovered_pixels_get_the_fill_of_the_map_that_uncovers_them():
    transforms = [RandomHorizontalFlip(), RandomRotation(INFO, degrees=(45, 45), fill=(10.0, 20.0, 30.0))]
    for image, mask in results(transforms, True, areas()):
        assert image[:, 0, 0].tolist() == [10, 20, 30] and mask[0, 0] == 255


def test_grey_and_float_images_are_warped_too():
    transforms = [MAKE["random_affine"](INFO), Resize(size=(50, 40))]
    grey = smooth(channels=1)
    [(warped, _), *_] = results([Resize(size=(50, 40))], True, image=grey)
    assert warped.shape == (1, 50, 40)
    floats = tv_tensors.Image(smooth().float() / 255)
    for (image, _), (of_floats, _) in zip(
        results(transforms, True), results(transforms, True, image=floats), strict=True
    ):
        assert of_floats.dtype == torch.float32
        assert float((of_floats * 255 - image.float()).abs().mean()) < 1.5


def test_only_maps_in_a_row_are_joined():
    transforms = [MAKE["random_rotation"](INFO), RandomGrayscale(INFO, p=1.0), Resize(size=(50, 40))]
    for image, _ in results(transforms, True):
        assert image.shape == (3, 50, 40) and torch.equal(image[0], image[1])


@pytest.mark.parametrize(
    "transform",
    [
        Resize(size=8, interpolation="bicubic"),
        Resize(size=8, antialias=False),
        RandomResizedCrop(size=8, interpolation="nearest"),
        Pad(INFO, padding=1, padding_mode="reflect"),
        RandomCrop(INFO, size=8, padding_mode="edge"),
    ],
)
def test_what_a_warp_could_not_do_alike_is_no_warp(transform):
    assert not transform.is_warp()


def test_the_result_does_not_depend_on_the_other_samples_of_a_batch():
    pipeline = Pipeline([MAKE["random_affine"](INFO), RandomResizedCrop(size=40)], 5, False, one_warp=True)
    together = pipeline.apply_to_samples([(smooth(), 0)] * 4, 1, [7, 8, 9, 10])
    [(alone, _)] = pipeline.apply_to_samples([(smooth(), 0)], 1, [9])
    assert torch.equal(together[2][0], alone)
    assert not torch.equal(together[1][0], alone)


def test_missing_opencv_is_named_with_what_brings_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    opencv.opencv.cache_clear()
    with pytest.raises(UsageError, match="OpenCV is not installed") as raised:
        Pipeline([Resize(size=8)], 0, False, one_warp=True)
    assert 'pip install "imgfw[fast]"' in str(raised.value.hint)
    batches = [RandomHorizontalFlip()]
    for transforms, in_batches in (([], False), ([lambda *sample: sample], False), (batches, True)):
        Pipeline(transforms, 0, in_batches, one_warp=True)  # nothing to warp on samples
    opencv.opencv.cache_clear()


def test_a_map_and_its_inverse_undo_each_other():
    matrix = ((1.5, -0.3, 7.0), (0.2, 0.8, -4.0))
    for row, expected in zip(then(matrix, inverse(matrix)), ((1, 0, 0), (0, 1, 0)), strict=True):
        assert row == pytest.approx(expected)
    assert scales(((0, -2, 5), (3, 0, 0))) == (2, 3)


def test_maps_that_fill_their_canvas_exactly_are_merged_into_their_neighbours():
    keys = Keys.of_samples(0, 0, [3])
    size, warps = (HEIGHT, WIDTH), []
    for transform in (
        RandomHorizontalFlip(p=1.0),
        RandomRotation(INFO, degrees=(30, 30)),
        Resize(size=(9, 8)),
    ):
        row = {name: value[0] for name, value in transform.draw(keys).items()}
        warps.append(transform.warp(*size, row))
        size = warps[-1].size
    [one] = merged(warps, (HEIGHT, WIDTH))
    assert one == Warp(composed(warps), (9, 8))
    flip = Warp(((-1, 0, WIDTH), (0, 1, 0)), (HEIGHT, WIDTH))
    assert merged([flip, flip], (HEIGHT, WIDTH))[0].matrix == ((1, 0, 0), (0, 1, 0))
    assert covers(flip.matrix, (HEIGHT, WIDTH), (HEIGHT, WIDTH))
    assert not covers(((1, 0, 1), (0, 1, 0)), (HEIGHT, WIDTH), (HEIGHT, WIDTH))
