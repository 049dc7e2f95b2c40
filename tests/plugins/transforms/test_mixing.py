from __future__ import annotations

import pytest
import torch
from imgfw import MixedTargets
from imgfw_plugins.transforms import Cutmix, Mixup


@pytest.mark.parametrize("alpha", [0.1, 0.2, 1.0, 4.0])
@pytest.mark.parametrize("transform", [Mixup, Cutmix])
def test_weights_follow_the_beta_distribution(alpha, transform, keys):
    weight = transform(alpha=alpha).draw(keys(40_000))["weight"]
    assert weight.dtype == torch.float32 and weight.min() >= 0 and weight.max() <= 1
    assert weight.mean() == pytest.approx(0.5, abs=0.01)
    assert weight.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.03)
    fourth = (weight.double() - 0.5).pow(4).mean()
    assert fourth == pytest.approx(3 / (16 * (2 * alpha + 1) * (2 * alpha + 3)), rel=0.05)


def test_a_tiny_alpha_keeps_weights_finite_and_at_the_ends(keys):
    weight = Mixup(alpha=0.001).draw(keys(2000))["weight"]
    assert weight.isfinite().all()
    assert ((weight < 0.01) | (weight > 0.99)).float().mean() > 0.98


def test_mixup_blends_each_image_with_its_own_weight(images):
    batch, others = images(3), images(6)[3:]
    weight = torch.tensor([0.0, 0.25, 1.0])
    mixed, targets = Mixup().mix_batch(
        batch, torch.tensor([0, 1, 2]), [(others, torch.tensor([3, 4, 5]))], {"weight": weight}
    )
    assert torch.equal(mixed[0], others[0]) and torch.equal(mixed[2], batch[2])
    expected = 0.25 * batch[1].float() + 0.75 * others[1].float()
    assert mixed.dtype == torch.uint8 and (mixed[1].float() - expected).abs().max() <= 0.5
    assert isinstance(targets, MixedTargets)
    assert targets.first.tolist() == [0, 1, 2] and targets.second.tolist() == [3, 4, 5]
    assert torch.equal(targets.weight, weight)


def test_multi_hot_targets_are_blended():
    images = torch.zeros(2, 1, 4, 4)
    first, second = torch.tensor([[1, 0], [1, 1]]), torch.tensor([[0, 1], [1, 0]])
    _, targets = Mixup().mix_batch(images, first, [(images, second)], {"weight": torch.tensor([0.75, 0.5])})
    assert targets.tolist() == [[0.75, 0.25], [1.0, 0.5]]


def test_cutmix_pastes_one_rectangle_and_weighs_by_its_area(keys):
    count = 100
    first, second = torch.zeros(count, 3, 20, 30), torch.ones(count, 3, 20, 30)
    labels = torch.arange(count)
    cutmix = Cutmix()
    parameters = cutmix.draw(keys(count))
    mixed, targets = cutmix.mix_batch(first, labels, [(second, labels.flip(0))], parameters)
    torch.testing.assert_close(targets.weight, 1 - mixed.mean((1, 2, 3)))
    for image in mixed[:, 0].bool():
        assert image.sum() == image.any(1).sum() * image.any(0).sum()
    assert torch.equal(targets.second, labels.flip(0))
    assert (targets.weight >= parameters["weight"] - 0.15).all()
    assert targets.weight.std() > 0.15


def test_cutmix_of_full_weight_leaves_the_image_alone(images):
    row = {"weight": torch.ones(2), "center_y": torch.full((2,), 0.5), "center_x": torch.full((2,), 0.5)}
    batch, labels = images(2), torch.tensor([0, 1])
    mixed, targets = Cutmix().mix_batch(batch, labels, [(batch.flip(0), labels)], row)
    assert torch.equal(mixed, batch) and targets.weight.tolist() == [1.0, 1.0]
    mixed, targets = Cutmix().mix_batch(
        batch, labels, [(batch.flip(0), labels)], {**row, "weight": torch.zeros(2)}
    )
    assert torch.equal(mixed, batch.flip(0)) and targets.weight.tolist() == [0.0, 0.0]
