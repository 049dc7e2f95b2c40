from __future__ import annotations

import pytest
import torch
from imgfw import DataError
from imgfw_plugins.transforms import CenterCrop, RandomCrop, RandomResizedCrop
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "symmetric"])
def test_a_random_crop_is_torchvisions_crop_of_the_padded_image(mode, keys, images, info):
    crop = RandomCrop(info, size=(24, 32), padding=(4, 2), padding_mode=mode)
    batch = images(40)
    parameters = crop.draw(keys(40))
    cropped, _ = crop.apply_batch(batch, torch.zeros(40), parameters)
    padded = F.pad(batch, [4, 2, 4, 2], padding_mode=mode)
    tops, lefts = (parameters["top"] * 13).long(), (parameters["left"] * 9).long()
    assert set(tops.tolist()) == set(range(13)) and set(lefts.tolist()) == set(range(9))
    for image, result, top, left in zip(padded, cropped, tops.tolist(), lefts.tolist(), strict=True):
        assert torch.equal(result, F.crop(image, top, left, 24, 32))


def test_a_batched_crop_moves_masks_like_their_images(keys, images, info):
    batch = images(16, 1)
    crop = RandomCrop(info, size=32, padding=5, fill=255)
    cropped, masks = crop.apply_batch(batch, tv_tensors.Mask(batch[:, 0]), crop.draw(keys(16)))
    assert torch.equal(cropped[:, 0], masks.as_subclass(torch.Tensor))
    assert not torch.equal(cropped, batch)


def test_a_crop_of_channels_last_images_is_the_same(keys, images, info):
    crop = RandomCrop(info, size=32, padding=4)
    batch, targets, parameters = images(8), torch.zeros(8), crop.draw(keys(8))
    other, _ = crop.apply_batch(batch.to(memory_format=torch.channels_last), targets, parameters)
    assert torch.equal(other, crop.apply_batch(batch, targets, parameters)[0])


def test_boxes_move_with_a_crop_and_are_cut_at_its_border(images, boxes, detection_info):
    image = tv_tensors.Image(images(1, 3, 20, 20)[0])
    target = boxes([[6, 7, 18, 19], [0, 0, 4, 4]], 20, 20)
    row = {"top": torch.tensor(0.5), "left": torch.tensor(0.5)}
    cropped, moved = RandomCrop(detection_info, size=10).apply(image, target, row)
    assert torch.equal(cropped, image[:, 5:15, 5:15])
    assert moved["boxes"].tolist() == [[1.0, 2.0, 10.0, 10.0]]
    assert moved["boxes"].canvas_size == (10, 10)
    assert moved["labels"].tolist() == [0]


def test_an_image_smaller_than_the_crop_is_refused_or_padded(keys, images, info):
    small, targets = images(2, 3, 30, 40), torch.zeros(2)
    crop = RandomCrop(info, size=32)
    with pytest.raises(DataError, match=r"cuts 32 x 32 pixels .* has 30 x 40 .*pad_if_needed"):
        crop.apply_batch(small, targets, crop.draw(keys(2)))
    crop = RandomCrop(info, size=32, pad_if_needed=True)
    assert crop.apply_batch(small, targets, crop.draw(keys(2)))[0].shape == (2, 3, 32, 32)


def test_mirrored_padding_is_refused_for_boxes(detection_info):
    with pytest.raises(ValueError, match='"reflect" repeats objects'):
        RandomCrop(detection_info, size=8, padding=2, padding_mode="reflect")


@pytest.mark.parametrize("size", [(33, 27), (20, 10), (40, 41), (35, 20)])
def test_a_center_crop_is_torchvisions(size, images, info):
    batch = images(2, 3, 33, 27)
    cropped, _ = CenterCrop(info, size=size).apply_batch(batch, torch.zeros(2), {})
    assert torch.equal(cropped, F.center_crop(batch, list(size)))


def test_what_a_center_crop_adds_counts_for_nothing_in_the_mask(images, info):
    masks = tv_tensors.Mask(torch.zeros(2, 8, 8, dtype=torch.int64))
    _, masks = CenterCrop(info, size=10).apply_batch(images(2, 3, 8, 8), masks, {})
    assert (masks == 255).sum() == 2 * (100 - 64)


def test_a_resized_crop_cuts_what_its_scale_and_ratio_say(keys, one_by_one):
    crop = RandomResizedCrop(size=(100, 120), scale=(0.2, 0.5), ratio=(0.5, 2.0), interpolation="nearest")
    places = torch.stack([torch.arange(100).view(-1, 1).expand(100, 120), torch.arange(120).expand(100, 120)])
    results, _ = one_by_one(crop, places.byte().expand(300, 2, 100, 120), [0] * 300, crop.draw(keys(300)))
    spans = torch.stack([result.amax((1, 2)) - result.amin((1, 2)) + 1 for result in results]).double()
    areas, ratios = spans.prod(1) / 12_000, spans[:, 1] / spans[:, 0]
    assert 0.19 < areas.min() < 0.22 and 0.48 < areas.max() < 0.51
    assert 0.49 < ratios.min() < 0.6 and 1.7 < ratios.max() < 2.05
    assert min(int(result[0].min()) for result in results) == 0
    assert max(int(result[1].max()) for result in results) == 119


def test_a_resized_crop_of_the_whole_square_is_a_resize(keys, images, one_by_one):
    crop = RandomResizedCrop(size=(12, 10), scale=(1, 1), ratio=(1, 1))
    batch = images(3)
    results, _ = one_by_one(crop, batch, [0, 0, 0], crop.draw(keys(3)))
    assert torch.equal(torch.stack(results), F.resize(batch, [12, 10], antialias=True))


def test_a_resized_crop_takes_the_central_part_when_no_shape_fits(keys, one_by_one):
    batch = torch.arange(200, dtype=torch.uint8).expand(1, 1, 10, 200).clone()
    crop = RandomResizedCrop(size=(10, 10), scale=(1, 1), ratio=(1, 1))
    (result,), _ = one_by_one(crop, batch, [0], crop.draw(keys(1)))
    assert torch.equal(result, batch[0, :, :, 95:105])


def test_boxes_are_never_degenerate_after_a_resized_crop(keys, images, boxes, one_by_one):
    crop = RandomResizedCrop(size=48, scale=(0.02, 0.3))
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(200, 6, 2, generator=generator) * 40
    sides = torch.rand(200, 6, 2, generator=generator) * 20 + 1
    targets = [
        boxes(torch.cat([corner, corner + side], dim=1).clamp(max=50).tolist(), 50, 50)
        for corner, side in zip(corners, sides, strict=True)
    ]
    _, moved = one_by_one(crop, images(200, 1, 50, 50), targets, crop.draw(keys(200)))
    kept = torch.cat([target["boxes"].as_subclass(torch.Tensor) for target in moved])
    assert 0 < len(kept) < 1200
    assert (kept[:, 2:] - kept[:, :2]).min() >= 1
    assert kept.min() >= 0 and kept.max() <= 48
    assert all(len(target["boxes"]) == len(target["labels"]) for target in moved)


def test_impossible_ranges_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"scale goes from 0\.8 to 0\.5; write the smaller number first"):
        RandomResizedCrop(size=8, scale=(0.8, 0.5))
    with pytest.raises(ValueError, match="shares of the area are above 0 and at most 1"):
        RandomResizedCrop(size=8, scale=(0.5, 1.5))
    with pytest.raises(ValueError, match="proportions are above 0"):
        RandomResizedCrop(size=8, ratio=(-1.0, 1.5))
