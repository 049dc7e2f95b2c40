from __future__ import annotations

import pytest
import torch
from imgfw_plugins.transforms import Pad, Resize
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F


@pytest.mark.parametrize(("size", "shape"), [(16, (16, 32)), ((10, 12), (10, 12))])
def test_a_resize_moves_image_mask_and_boxes_together(size, shape, images, boxes):
    image = tv_tensors.Image(images(1, 3, 32, 64)[0])
    resize = Resize(size=size)
    resized, mask = resize.apply(image, tv_tensors.Mask(image[0] % 2), {})
    assert resized.shape[-2:] == mask.shape == shape
    assert torch.equal(resized, F.resize(image, list(shape), antialias=True))
    assert set(mask.unique().tolist()) <= {0, 1}
    _, target = resize.apply(image, boxes([[0, 0, 32, 16]], 32, 64), {})
    assert target["boxes"].tolist() == [[0, 0, shape[1] / 2, shape[0] / 2]]


def test_padding_fills_images_and_marks_masks_as_unknown(images, info):
    batch = images(2, 3, 4, 4)
    pad = Pad(info, padding=(1, 2, 3, 4), fill=(1, 2, 3))
    padded, masks = pad.apply_batch(batch, tv_tensors.Mask(torch.zeros(2, 4, 4, dtype=torch.uint8)), {})
    assert padded.shape == (2, 3, 10, 8) and padded[0, :, 0, 0].tolist() == [1, 2, 3]
    assert torch.equal(padded[:, :, 2:6, 1:5], batch)
    assert (masks[:, 2:6, 1:5] == 0).all() and (masks == 255).sum() == 2 * (80 - 16)


def test_mirrored_padding_mirrors_masks_too(images, info):
    batch = images(2, 1, 6, 6)
    padded, masks = Pad(info, padding=2, padding_mode="reflect").apply_batch(
        batch, tv_tensors.Mask(batch[:, 0]), {}
    )
    assert torch.equal(padded[:, 0], masks.as_subclass(torch.Tensor))
