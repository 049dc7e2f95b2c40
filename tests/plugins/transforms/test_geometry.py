from __future__ import annotations

import pytest
import torch
from imgfw import DatasetInfo
from imgfw_plugins.transforms import RandomAffine, RandomHorizontalFlip, RandomRotation, RandomVerticalFlip
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

SEGMENTATION = DatasetInfo(task="segmentation", classes=("sky", "sea"), ignore_index=77)


@pytest.mark.parametrize(
    ("flip", "axis", "expected"),
    [(RandomHorizontalFlip, -1, [22.0, 2.0, 29.0, 9.0]), (RandomVerticalFlip, -2, [1.0, 11.0, 8.0, 18.0])],
)
def test_a_flip_moves_image_mask_and_boxes_together(flip, axis, expected, images, boxes):
    image = tv_tensors.Image(images(1, 3, 20, 30)[0])
    mask = tv_tensors.Mask(image[0] % 3)
    row = {"flip": torch.tensor(True)}
    flipped, flipped_mask = flip().apply(image, mask, row)
    assert torch.equal(flipped, image.flip(axis))
    assert torch.equal(flipped_mask, mask.flip(axis))
    _, target = flip().apply(image, boxes([[1, 2, 8, 9]], 20, 30), row)
    assert target["boxes"].tolist() == [expected]
    assert target["labels"].tolist() == [0]


@pytest.mark.parametrize("p", [0.0, 0.25, 1.0])
def test_a_flip_happens_as_often_as_its_probability_says(p, keys):
    share = RandomHorizontalFlip(p=p).draw(keys(20_000))["flip"].float().mean()
    assert share == pytest.approx(p, abs=0.01)


def test_the_next_epoch_flips_other_samples(keys):
    flip = RandomHorizontalFlip()
    assert not torch.equal(flip.draw(keys(64, epoch=1))["flip"], flip.draw(keys(64, epoch=2))["flip"])


def test_a_rotation_by_90_degrees_turns_the_image_counter_clockwise(images, info):
    image = tv_tensors.Image(images(1, 3, 16, 16)[0])
    turned, _ = RandomRotation(info, degrees=90).apply(image, 0, {"angle": torch.tensor(90.0)})
    assert torch.equal(turned, torch.rot90(image, 1, (-2, -1)))


def test_what_a_rotation_uncovers_is_filled_and_counts_for_nothing_in_the_mask():
    image = tv_tensors.Image(torch.full((3, 21, 21), 200, dtype=torch.uint8))
    mask = tv_tensors.Mask(torch.ones(21, 21, dtype=torch.int64))
    rotation = RandomRotation(SEGMENTATION, degrees=45, fill=(10, 20, 30))
    turned, turned_mask = rotation.apply(image, mask, {"angle": torch.tensor(45.0)})
    assert turned[:, 0, 0].tolist() == [10, 20, 30]
    assert turned_mask[0, 0] == 77 and turned_mask[10, 10] == 1
    assert set(turned_mask.unique().tolist()) == {1, 77}
    assert torch.equal(turned_mask == 77, turned[0] == 10)


def test_a_number_of_degrees_goes_to_both_sides_and_a_pair_is_a_range(keys, info):
    both = RandomRotation(info, degrees=30).draw(keys(5000))["angle"]
    assert -30 <= both.min() < -29 and 29 < both.max() < 30
    range_ = RandomRotation(info, degrees=(5, 10)).draw(keys(5000))["angle"]
    assert 5 <= range_.min() < 5.1 and 9.9 < range_.max() < 10


def test_a_box_that_leaves_the_image_is_removed_with_its_label(images, boxes, detection_info):
    image = tv_tensors.Image(images(1, 3, 20, 40)[0])
    target = boxes([[0, 8, 5, 12], [18, 8, 22, 12]], 20, 40)
    quarter_turn = {"angle": torch.tensor(90.0)}
    _, moved = RandomRotation(detection_info, degrees=90).apply(image, target, quarter_turn)
    assert moved["labels"].tolist() == [1]
    assert moved["boxes"].shape == (1, 4)
    assert isinstance(moved["boxes"], tv_tensors.BoundingBoxes)


def test_an_affine_map_does_what_torchvision_does_with_the_same_numbers(images, info):
    image = tv_tensors.Image(images(1, 3, 20, 40)[0])
    affine = RandomAffine(
        info, degrees=30, translate=(0.5, 0.5), scale=(0.5, 2), shear=20, interpolation="bilinear"
    )
    row = {
        "angle": torch.tensor(12.0),
        "shift": torch.tensor([0.5, -0.25]),
        "scale": torch.tensor(1.5),
        "shear_x": torch.tensor(8.0),
        "shear_y": torch.tensor(0.0),
    }
    expected = F.affine(
        image,
        angle=12.0,
        translate=[10, -2],
        scale=1.5,
        shear=[8.0, 0.0],
        interpolation=F.InterpolationMode.BILINEAR,
    )
    assert torch.equal(affine.apply(image, 0, row)[0], expected)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize(("channels", "fill"), [(1, 0.0), (3, 0.0), (3, 40.0), (3, (1.0, 20.0, 200.0))])
def test_rotations_of_a_batch_are_torchvisions(interpolation, channels, fill, images, keys):
    info = DatasetInfo(task="segmentation", classes=("sky", "sea"), channels=channels, ignore_index=77)
    rotation = RandomRotation(info, degrees=180, interpolation=interpolation, fill=fill)
    batch, parameters = images(32, channels, 41, 54), rotation.draw(keys(32))
    masks = tv_tensors.Mask(batch[:, 0].long() % 3)
    turned, turned_masks = rotation.apply_batch(batch, masks, parameters)
    mode, fills = F.InterpolationMode(interpolation), list(fill) if isinstance(fill, tuple) else fill or None
    for number, angle in enumerate(parameters["angle"].tolist()):
        expected = F.rotate(batch[number], angle, interpolation=mode, fill=fills).int()
        off = (turned[number].int() - expected).abs()
        assert off.max() <= 1 or (off > 1).float().mean() < 0.001
        mask = F.rotate(tv_tensors.Mask(masks[number]), angle, fill=77)
        assert (turned_masks[number] != mask).float().mean() < 0.001


def test_boxes_go_where_the_map_takes_their_corners(images, boxes, detection_info, keys):
    affine = RandomAffine(detection_info, degrees=20, translate=(0.1, 0.2), scale=(0.8, 1.2), shear=5)
    image = tv_tensors.Image(images(1, 3, 60, 80)[0])
    row = {name: values[0] for name, values in affine.draw(keys(1)).items()}
    _, moved = affine.apply(image, boxes([[30, 20, 50, 40]], 60, 80), row)
    matrix = torch.tensor(affine.warp(60, 80, row).matrix, dtype=torch.float32)
    corners = torch.tensor([[30.0, 20, 1], [50, 20, 1], [30, 40, 1], [50, 40, 1]]) @ matrix.T
    expected = torch.cat([corners.amin(0), corners.amax(0)])
    torch.testing.assert_close(moved["boxes"][0].as_subclass(torch.Tensor), expected, atol=0.6, rtol=0)


def test_an_affine_map_draws_within_its_ranges(keys, info):
    affine = RandomAffine(info, degrees=(1, 2), scale=(0.5, 0.75), shear=(-5, 5, 7, 8))
    drawn = affine.draw(keys(2000))
    for name, low, high in (("angle", 1, 2), ("scale", 0.5, 0.75), ("shear_x", -5, 5), ("shear_y", 7, 8)):
        assert low <= drawn[name].min() and drawn[name].max() < high
        assert drawn[name].std() > 0.25 * (high - low)
    assert drawn["shift"].shape == (2000, 2)


def test_impossible_ranges_are_refused_in_a_sentence(info):
    with pytest.raises(ValueError, match="degrees goes from 10 to 5"):
        RandomRotation(info, degrees=(10, 5))
    with pytest.raises(ValueError, match="degrees is -3"):
        RandomRotation(info, degrees=-3)
    with pytest.raises(ValueError, match="fill has 2 values but the images have 3 channels"):
        RandomRotation(info, degrees=3, fill=(1, 2))
    with pytest.raises(ValueError, match="a scale factor is above 0"):
        RandomAffine(info, degrees=3, scale=(0.0, 1.0))
