from __future__ import annotations

import pytest
import torch
from imgfw import UsageError
from imgfw_plugins.transforms import (
    Mixup,
    Normalize,
    RandomApply,
    RandomChoice,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomVerticalFlip,
    Resize,
)
from torchvision import tv_tensors

HORIZONTAL, VERTICAL = RandomHorizontalFlip(p=1.0), RandomVerticalFlip(p=1.0)


def test_random_apply_does_all_of_its_transforms_or_none(keys, images):
    batch = images(200)
    both = RandomApply(transforms=[HORIZONTAL, VERTICAL], p=0.3)
    parameters = both.draw(keys(200))
    changed, _ = both.apply_batch(batch, torch.arange(200), parameters)
    for image, result, applied in zip(batch, changed, parameters["applied"].tolist(), strict=True):
        assert torch.equal(result, image.flip(-1, -2) if applied else image)
    assert parameters["applied"].float().mean() == pytest.approx(0.3, abs=0.1)


def test_random_choice_does_one_of_its_transforms_by_weight(keys, images):
    batch = images(300)
    choice = RandomChoice(transforms=[HORIZONTAL, VERTICAL, HORIZONTAL], p=(1, 3, 0))
    parameters = choice.draw(keys(300))
    changed, _ = choice.apply_batch(batch, tv_tensors.Mask(batch[:, 0]), parameters)
    for image, result, chosen in zip(batch, changed, parameters["chosen"].tolist(), strict=True):
        assert torch.equal(result, image.flip(-1 if chosen == 0 else -2))
    assert parameters["chosen"].float().mean() == pytest.approx(0.75, abs=0.08)
    assert parameters["chosen"].max() == 1


class Recording(RandomHorizontalFlip):
    """Remembers how many samples it was given."""

    def __init__(self):
        super().__init__(p=1.0)
        self.counts = []

    def apply_batch(self, images, targets, parameters):
        assert len(images) == len(targets) == len(parameters["flip"])
        self.counts.append(len(images))
        return super().apply_batch(images, targets, parameters)


def test_only_the_chosen_samples_of_a_batch_are_worked_on(keys, images):
    first, second = Recording(), Recording()
    some = RandomApply(transforms=[first], p=0.2)
    drawn = some.draw(keys(100))
    some.apply_batch(images(100), torch.arange(100), drawn)
    assert first.counts == [int(drawn["applied"].sum())]
    choice = RandomChoice(transforms=[first, second], p=(1, 0))
    batch, masks = images(20), tv_tensors.Mask(images(20)[:, 0])
    turned, turned_masks = choice.apply_batch(batch, masks, choice.draw(keys(20)))
    assert first.counts[1:] == [20] and not second.counts
    assert torch.equal(turned, batch.flip(-1)) and torch.equal(turned_masks, masks.flip(-1))
    assert isinstance(turned_masks, tv_tensors.Mask)


def test_a_composition_prefers_samples_where_one_of_its_transforms_does(info):
    crops = RandomApply(transforms=[HORIZONTAL, RandomResizedCrop(size=32)])
    assert crops.works_on_batches() and crops.prefers_batches("cuda") and not crops.prefers_batches("cpu")
    assert RandomApply(transforms=[HORIZONTAL]).prefers_batches("cpu")


def test_children_draw_independently_of_each_other(keys):
    twins = RandomApply(transforms=[RandomHorizontalFlip(), RandomHorizontalFlip()])
    drawn = twins.draw(keys(1000))
    first, second = drawn["0.flip"], drawn["1.flip"]
    assert (first == second).float().mean() == pytest.approx(0.5, abs=0.06)


def test_compositions_nest(keys, images, info, one_by_one):
    inner = RandomApply(transforms=[RandomCrop(info, size=32, padding=4), HORIZONTAL])
    outer = RandomChoice(transforms=[inner, VERTICAL])
    batch = images(50)
    parameters = outer.draw(keys(50))
    together, _ = outer.apply_batch(batch, torch.zeros(50), parameters)
    singles, _ = one_by_one(outer, batch, [0] * 50, parameters)
    assert torch.equal(together, torch.stack(singles).as_subclass(torch.Tensor))


def test_the_stages_are_those_that_all_transforms_have(info):
    bicubic = RandomResizedCrop(size=32, interpolation="bicubic")
    samples_only = RandomApply(transforms=[HORIZONTAL, bicubic])
    assert samples_only.works_on_samples() and not samples_only.works_on_batches()
    batches_only = RandomApply(transforms=[HORIZONTAL, Normalize(info, lambda: None, stats="half")])
    assert batches_only.works_on_batches() and not batches_only.works_on_samples()
    with pytest.raises(ValueError, match="no stage can do both"):
        RandomApply(transforms=[bicubic, Normalize(info, lambda: None, stats="half")])


def test_a_change_of_size_or_type_within_is_refused_in_a_sentence(keys, images, info):
    batch, targets = images(4), torch.zeros(4)
    shrinking = RandomApply(transforms=[Resize(size=8)])
    with pytest.raises(UsageError, match="changes the images' size"):
        shrinking.apply_batch(batch, targets, shrinking.draw(keys(4)))
    floating = RandomChoice(transforms=[Normalize(info, lambda: None, stats="half")])
    with pytest.raises(UsageError, match="changes the images' type"):
        floating.apply_batch(batch, targets, floating.draw(keys(4)))


def test_what_cannot_be_inside_is_refused_in_a_sentence(info):
    with pytest.raises(ValueError, match=r"transforms\[1\] \(Mixup\) .* mixes samples"):
        RandomApply(transforms=[HORIZONTAL, Mixup()])
    with pytest.raises(ValueError, match=r"is not an imgfw\.Transform"):
        RandomApply(transforms=[lambda image, target: (image, target)])
    with pytest.raises(ValueError, match="one weight for each"):
        RandomChoice(transforms=[HORIZONTAL, VERTICAL], p=(1,))
