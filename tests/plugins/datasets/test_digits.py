"""The shipped digits."""

from __future__ import annotations

from importlib.resources import files

import pytest
import torch
from imgfw_plugins.datasets import digits


@pytest.fixture(scope="module")
def splits():
    return digits()


def test_all_1797_images_are_there_a_fifth_of_each_digit_for_the_test(splits):
    of_each = torch.bincount(splits.train.targets) + torch.bincount(splits.test.targets)
    assert of_each.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert torch.bincount(splits.test.targets).tolist() == [36, 36, 35, 37, 36, 36, 36, 36, 35, 36]
    assert splits.val is None


def test_images_are_grey_8_by_8_and_use_the_full_range(splits):
    image, label = splits.train[0]
    assert image.shape == (1, 8, 8)
    assert image.dtype == torch.uint8
    assert label == 0
    values = splits.train.images.unique().tolist()
    assert values == [round(level * 255 / 16) for level in range(17)]


def test_no_test_image_is_a_training_image(splits):
    train = {image.numpy().tobytes() for image in splits.train.images}
    assert not [image for image in splits.test.images if image.numpy().tobytes() in train]


def test_the_pixels_are_those_that_were_published(splits):
    pixels = torch.cat([splits.train.images, splits.test.images]).double()
    assert int((pixels * 16 / 255).round().sum()) == 561_718


def test_the_info_names_the_digits(splits):
    assert splits.info.task == "classification"
    assert splits.info.classes == tuple("0123456789")
    assert (splits.info.channels, splits.info.image_size) == (1, (8, 8))


def test_the_notice_lies_beside_the_data():
    notice = files("imgfw_plugins.datasets").joinpath("data/digits.NOTICE.txt").read_text()
    assert "CC BY 4.0" in notice
    assert "Alpaydin" in notice
