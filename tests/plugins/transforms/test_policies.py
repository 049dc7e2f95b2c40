from __future__ import annotations

import pytest
import torch
from imgfw_plugins.transforms import RandAugment, TrivialAugmentWide
from torchvision import tv_tensors
from torchvision.transforms import v2


@pytest.mark.parametrize("policy", [RandAugment, TrivialAugmentWide])
def test_a_policy_makes_the_same_images_again(policy, keys, images, info, one_by_one):
    batch = images(32)
    first, _ = one_by_one(policy(info), batch, [0] * 32, policy(info).draw(keys(32)))
    torch.manual_seed(99)
    again, _ = one_by_one(policy(info), batch, [0] * 32, policy(info).draw(keys(32)))
    assert torch.equal(torch.stack(first), torch.stack(again))
    assert not torch.equal(torch.stack(first), batch)


@pytest.mark.parametrize("policy", [RandAugment, TrivialAugmentWide])
def test_a_policy_draws_from_torchvisions_operations_evenly(policy, keys, info):
    names = (
        v2.RandAugment._AUGMENTATION_SPACE
        if policy is RandAugment
        else (v2.TrivialAugmentWide._AUGMENTATION_SPACE)
    )
    operations = policy(info).draw(keys(14_000))["operation"][:, 0]
    counts = torch.bincount(operations)
    assert len(counts) == len(names) == 14
    assert counts.min() > 850 and counts.max() < 1150


class OneOperation:
    """torchvision's own policy, made to do one operation at a chosen strength."""

    def __init__(self, policy, bins: int) -> None:
        self.policy, self.bins = policy, bins

    def __call__(self, image, name: str, strength: float, negative: bool):
        magnitudes, signed = self.policy._AUGMENTATION_SPACE[name]
        values = magnitudes(self.bins, *image.shape[-2:])
        magnitude = 0.0 if values is None else float(values[round(strength * (self.bins - 1))])
        magnitude = -magnitude if signed and negative else magnitude
        return self.policy._apply_image_or_video_transform(
            image, name, magnitude, interpolation=v2.InterpolationMode.NEAREST, fill={}
        )


TORCHVISION_NAMES = (
    *("Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color"),
    *("Contrast", "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize"),
)


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("number", range(14), ids=TORCHVISION_NAMES)
@pytest.mark.parametrize(
    ("ours", "theirs"), [(RandAugment, v2.RandAugment), (TrivialAugmentWide, v2.TrivialAugmentWide)]
)
def test_each_operation_is_torchvisions(ours, theirs, number, negative, images, info):
    image = tv_tensors.Image(images(1, 3, 40, 52)[0] // 2 + 30)
    operate = OneOperation(theirs(num_magnitude_bins=31), 31)
    for strength in (0.0, 9 / 30, 1.0):
        row = {
            "operation": torch.tensor([number]),
            "negative": torch.tensor([negative]),
            "strength": torch.tensor([strength], dtype=torch.float64),
        }
        expected = operate(image, TORCHVISION_NAMES[number], strength, negative)
        difference = (ours(info).apply(image, 0, row)[0].int() - expected.int()).abs()
        assert (difference > 1).float().mean() < 0.002


def test_masks_and_boxes_move_with_the_image(images, boxes, info):
    image = tv_tensors.Image(images(1, 3, 40, 40)[0])
    row = {
        "operation": torch.tensor([3]),
        "negative": torch.tensor([True]),
        "strength": torch.tensor([0.5], dtype=torch.float64),
    }
    shift = int(0.5 * 150 / 331 * 40)
    moved, mask = RandAugment(info).apply(image, tv_tensors.Mask(image[0] % 2), row)
    assert torch.equal(moved[:, :, :-shift], image[:, :, shift:])
    assert (mask[:, -shift:] == 255).all() and torch.equal(mask[:, :-shift], image[0, :, shift:] % 2)
    _, target = RandAugment(info).apply(image, boxes([[0, 5, 5, 10], [20, 5, 30, 10]], 40, 40), row)
    assert target["boxes"].tolist() == [[20 - shift, 5, 30 - shift, 10]] and target["labels"].tolist() == [1]


def test_a_magnitude_beyond_the_bins_is_refused_in_a_sentence(info):
    with pytest.raises(ValueError, match="magnitude is 31, but the strongest is 30"):
        RandAugment(info, magnitude=31)
