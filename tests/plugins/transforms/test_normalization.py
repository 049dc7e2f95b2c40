from __future__ import annotations

import pytest
import torch
from imgfw import ChannelStatistics, DatasetInfo
from imgfw_plugins.transforms import Normalize, ToFloat
from torchvision.transforms import v2

IMAGENET = ChannelStatistics(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def _unused():
    raise AssertionError("nothing is to be measured here")


def _expected(images, statistics):
    scaled = v2.functional.to_dtype(images, torch.float32, scale=True)
    return v2.functional.normalize(scaled, list(statistics.mean), list(statistics.std))


@pytest.mark.parametrize("already_float", [False, True])
def test_normalize_agrees_with_torchvision(already_float, images, info):
    batch = images(8)
    given = batch / 255 if already_float else batch
    normalized, _ = Normalize(info, _unused, stats="imagenet").apply_batch(given, 0, {})
    assert normalized.dtype == torch.float32
    torch.testing.assert_close(normalized, _expected(batch, IMAGENET), atol=1e-6, rtol=0)


def test_images_of_different_sizes_come_as_a_list(images, info):
    several = [images(1, 3, 8, 9)[0], images(1, 3, 5, 4)[0]]
    for image, result in zip(
        several, Normalize(info, _unused, stats="imagenet").apply_batch(several, 0, {})[0], strict=True
    ):
        torch.testing.assert_close(result, _expected(image, IMAGENET), atol=1e-6, rtol=0)
    for image, result in zip(several, ToFloat().apply_batch(several, 0, {})[0], strict=True):
        torch.testing.assert_close(result, v2.functional.to_dtype(image, torch.float32, scale=True))


def test_images_are_left_as_they_were(images, info):
    batch = images(2)
    before = batch.clone()
    Normalize(info, _unused, stats="half").apply_batch(batch, 0, {})
    as_float = batch / 255
    Normalize(info, _unused, stats="half").apply_batch(as_float, 0, {})
    assert torch.equal(batch, before) and torch.equal(as_float, before / 255)


def test_half_maps_black_and_white_to_minus_one_and_one():
    info = DatasetInfo(task="classification", classes=("a",), channels=2)
    batch = torch.tensor([0, 255], dtype=torch.uint8).view(1, 2, 1, 1)
    normalized, _ = Normalize(info, _unused, stats="half").apply_batch(batch, 0, {})
    assert normalized.flatten().tolist() == pytest.approx([-1, 1], abs=1e-6)


@pytest.mark.parametrize("settings", [{}, {"stats": "measured"}])
def test_statistics_are_measured_once_and_only_when_they_are_needed(settings, images, info):
    calls = []

    def measure():
        calls.append("measured")
        return IMAGENET

    normalize = Normalize(info, measure, **settings)
    assert not calls
    for _ in range(3):
        normalized, _ = normalize.apply_batch(images(2), 0, {})
    assert calls == ["measured"]
    torch.testing.assert_close(normalized, _expected(images(2), IMAGENET), atol=1e-6, rtol=0)


def test_the_named_statistics_of_pretrained_weights_are_torchvisions(images, info):
    from torchvision.models import ResNet50_Weights

    weights = ResNet50_Weights.IMAGENET1K_V2.transforms()
    normalized, _ = Normalize(info, _unused, stats="imagenet").apply_batch(images(2), 0, {})
    own = ChannelStatistics(mean=tuple(weights.mean), std=tuple(weights.std))
    torch.testing.assert_close(normalized, _expected(images(2), own), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mean": (0.5, 0.5, 0.5)}, "mean and std belong together"),
        ({"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5)}, "mean has 3 values but std has 2"),
        ({"mean": (0.5,), "std": (0.5,)}, "1 channels but the images have 3"),
        ({"stats": "mnist"}, 'stats "mnist" has 1 channels but the images have 3'),
        ({"stats": "half", "mean": (0.5,) * 3, "std": (0.5,) * 3}, "remove one or the other"),
    ],
)
def test_numbers_that_do_not_fit_are_refused_in_a_sentence(settings, message, info):
    with pytest.raises(ValueError, match=message):
        Normalize(info, _unused, **settings)
