"""timm's augmentations, and the normalisation that weights want."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from imgfw_plugin_timm.augmentation import timm_auto_augment
from imgfw_plugin_timm.normalization import TimmNormalize
from torchvision import tv_tensors

CONFIGS = ["rand-m9-mstd0.5-inc1", "rand-n3-p1", "augmix-m5-w2-d2", "original-mstd0.5", "v0", "3a"]


@pytest.fixture
def image():
    """Makes an image of noise."""

    def make(channels: int) -> tv_tensors.Image:
        generator = torch.Generator().manual_seed(0)
        pixels = torch.randint(0, 256, (channels, 17, 23), dtype=torch.uint8, generator=generator)
        return tv_tensors.Image(pixels)

    return make


@pytest.fixture
def seed():
    """Seeds the generators that the core seeds around a transform."""

    def seed(number: int) -> None:
        random.seed(number)
        np.random.seed(number)

    return seed


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_policy_changes_pixels_and_neither_type_nor_size_nor_target(info, image, seed, config, channels):
    augment = timm_auto_augment(info(channels=channels), config=config)
    outputs = []
    for number in range(8):
        seed(number)
        changed, target = augment(image(channels), 1)
        assert isinstance(changed, tv_tensors.Image)
        assert (changed.dtype, changed.shape, target) == (torch.uint8, (channels, 17, 23), 1)
        outputs.append(changed)
    assert sum(not torch.equal(changed, image(channels)) for changed in outputs) >= 4


@pytest.mark.parametrize("config", CONFIGS)
def test_a_policy_depends_on_the_seed_only(info, image, seed, config):
    augment = timm_auto_augment(info(), config=config)
    for number in range(4):
        seed(number)
        first, _ = augment(image(3), 1)
        seed(number)
        second, _ = augment(image(3), 1)
        assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("random-m9", 'timm has no policy "random"; there are rand, augmix'),
        ("rand-q3", "says nothing to timm"),
    ],
)
def test_a_configuration_that_timm_does_not_know_is_refused(info, config, message):
    with pytest.raises(ValueError, match=message):
        timm_auto_augment(info(), config=config)


def test_images_are_normalised_as_the_weights_want(info):
    normalize = TimmNormalize(info(), model="vit_small_patch16_224.augreg_in21k_ft_in1k")
    images = torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 1, 2).expand(2, 3, 1, 2)
    batch, targets = normalize.apply_batch(images, "targets", {})
    assert targets == "targets"
    torch.testing.assert_close(batch, torch.tensor([-1.0, 1.0]).expand(2, 3, 1, 2))
    listed, _ = normalize.apply_batch(list(images), None, {})
    assert torch.equal(listed[1], batch[1])


def test_grey_images_get_the_mean_over_the_colours(info):
    normalize = TimmNormalize(info(channels=1), model="resnet18.a1_in1k")
    assert normalize.mean == pytest.approx([(0.485 + 0.456 + 0.406) / 3])


def test_an_unknown_model_is_refused(info):
    with pytest.raises(ValueError, match='model: timm has no model "resnt18"'):
        TimmNormalize(info(), model="resnt18")
