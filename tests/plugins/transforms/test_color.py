from __future__ import annotations

import pytest
import torch
from imgfw import DataError, DatasetInfo
from imgfw_plugins.transforms import ColorJitter, GaussianBlur, RandomGrayscale
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

ADJUST = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)


def _jitter(info) -> ColorJitter:
    return ColorJitter(info, brightness=0.8, contrast=0.8, saturation=0.8, hue=0.5)


def _jittered_by_torchvision(image, row):
    order = row["order"].tolist()
    order.insert(int(row["hue_place"]), 3)
    for operation in order:
        image = ADJUST[operation](image, float(row["hue"] if operation == 3 else row["factors"][operation]))
    return image


@pytest.mark.parametrize("kind", ["one operation", "all"])
def test_color_jitter_does_what_torchvision_does_in_the_drawn_order(kind, keys, images, info):
    batch, jitter = images(32), _jitter(info)
    parameters = jitter.draw(keys(32))
    if kind == "one operation":
        neutral = torch.ones(32, 3)
        rows = torch.arange(32)
        neutral[rows, rows % 3] = parameters["factors"][rows, rows % 3]
        parameters = {**parameters, "factors": neutral, "hue": parameters["hue"] * (rows % 4 == 3)}
    changed, _ = jitter.apply_batch(batch, torch.zeros(32), parameters)
    for number, image in enumerate(batch):
        row = {name: values[number] for name, values in parameters.items()}
        difference = (_jittered_by_torchvision(image, row).int() - changed[number].int()).abs().float()
        assert difference.mean() < 0.6 and difference.quantile(0.99) <= 3


def test_color_jitter_of_float_images_is_torchvisions_to_rounding(keys, images, info):
    batch, jitter = images(16) / 255, _jitter(info)
    parameters = jitter.draw(keys(16))
    changed, _ = jitter.apply_batch(batch, torch.zeros(16), parameters)
    for number, image in enumerate(batch):
        row = {name: values[number] for name, values in parameters.items()}
        torch.testing.assert_close(changed[number], _jittered_by_torchvision(image, row), atol=1e-4, rtol=0)


def test_every_order_of_the_four_operations_is_drawn(keys, info):
    drawn = _jitter(info).draw(keys(2000))
    orders = torch.cat([drawn["order"], drawn["hue_place"].unsqueeze(1)], dim=1)
    assert len({tuple(order) for order in orders.tolist()}) == 24


def test_without_hue_every_other_operation_is_still_done(keys, images, info):
    batch, jitter = images(16), ColorJitter(info, brightness=0.5, contrast=0.5, saturation=0.5)
    parameters = jitter.draw(keys(16))
    changed, _ = jitter.apply_batch(batch, torch.zeros(16), parameters)
    for number, image in enumerate(batch):
        row = {name: values[number] for name, values in parameters.items()}
        difference = _jittered_by_torchvision(image, row).int() - changed[number].int()
        assert difference.abs().max() <= 3


def test_factors_lie_around_one_and_are_never_negative(keys, info):
    factors = ColorJitter(info, brightness=0.5, contrast=3, saturation=(0.9, 1.0)).draw(keys(4000))["factors"]
    low, high = factors.min(0).values.tolist(), factors.max(0).values.tolist()
    assert low == pytest.approx([0.5, 0.0, 0.9], abs=0.01)
    assert high == pytest.approx([1.5, 4.0, 1.0], abs=0.01)


def test_jitter_that_cannot_be_is_refused_in_a_sentence(info):
    with pytest.raises(ValueError, match=r"half the circle, 0\.5, is the most"):
        ColorJitter(info, hue=0.6)
    with pytest.raises(ValueError, match="brightness starts at -1"):
        ColorJitter(info, brightness=(-1, 1))
    with pytest.raises(ValueError, match="changes nothing"):
        ColorJitter(info)
    with pytest.raises(ValueError, match="these have 4 channels"):
        ColorJitter(DatasetInfo(task="classification", classes=("a",), channels=4), brightness=1)


def test_greyscale_keeps_three_equal_channels(keys, images, info):
    batch = images(64)
    grayscale = RandomGrayscale(info, p=0.5)
    parameters = grayscale.draw(keys(64))
    changed, _ = grayscale.apply_batch(batch, torch.zeros(64), parameters)
    for image, result, grey in zip(batch, changed, parameters["grey"].tolist(), strict=True):
        expected = F.rgb_to_grayscale(image, num_output_channels=3) if grey else image
        assert (result.int() - expected.int()).abs().max() <= 1


def test_a_blur_is_torchvisions_with_the_drawn_width(keys, images):
    blur = GaussianBlur(kernel_size=(5, 3), sigma=(0.5, 1.5))
    sigma = blur.draw(keys(1))["sigma"][0]
    image = tv_tensors.Image(images(1)[0])
    assert 0.5 <= sigma < 1.5
    assert torch.equal(
        blur.apply(image, 0, {"sigma": sigma})[0], F.gaussian_blur(image, [5, 3], [float(sigma)])
    )


def test_a_blur_that_cannot_be_is_refused_in_a_sentence(images):
    with pytest.raises(ValueError, match="has an odd size"):
        GaussianBlur(kernel_size=4)
    with pytest.raises(ValueError, match="a width is above 0"):
        GaussianBlur(kernel_size=3, sigma=0)
    image = tv_tensors.Image(images(1, 3, 8, 4)[0])
    with pytest.raises(DataError, match="too large for an image of 4 x 8"):
        GaussianBlur(kernel_size=9).apply(image, 0, {"sigma": torch.tensor(1.0)})
