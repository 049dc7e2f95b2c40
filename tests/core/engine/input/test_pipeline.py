"""Which transforms work on samples and which on batches, and what their randomness depends on."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from imgfw import DatasetInfo, PluginError, Transform, UsageError
from imgfw.engine.input.pipeline import Pipeline, to_float
from imgfw_plugins.transforms import (
    CenterCrop,
    Cutmix,
    Mixup,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
    ToFloat,
)
from torchvision import tv_tensors

INFO = DatasetInfo(task="classification", classes=("cat", "dog"))
BICUBIC = RandomResizedCrop(size=8, interpolation="bicubic")
"""Works on samples only."""
EITHER = pytest.mark.parametrize("in_batches", [False, True], ids=["one by one", "in batches"])


def rotation():
    return RandomRotation(INFO, degrees=30)


def noise(image, target):
    """Somebody's transform: draws from every global generator."""
    drawn = random.random() + np.random.rand() + float(torch.rand(()))
    return tv_tensors.Image((image + drawn * 50).to(torch.uint8)), target


def failing(image, target):
    random.random()
    raise OSError("broken")


def names(stage):
    return [getattr(item, "__name__", type(item).__name__) for _, item in stage]


def pictures(count):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, 8, 8), dtype=torch.uint8, generator=generator)


IMAGES = pictures(10)


def on_samples(pipeline, indices, epoch=0):
    """What the sample stage makes of some of the images, by index."""
    samples = [(tv_tensors.Image(IMAGES[index]), index) for index in indices]
    done = pipeline.apply_to_samples(samples, epoch, indices)
    assert [target for _, target in done] == list(indices)
    return {index: image.as_subclass(torch.Tensor) for index, (image, _) in zip(indices, done, strict=True)}


def on_batch(pipeline, indices, epoch=0):
    """What the batch stage makes of some of the images, by index."""
    others = pipeline.partners(epoch, indices, len(IMAGES))
    partners = [(IMAGES[chosen], torch.tensor(chosen), chosen) for chosen in others]
    images, targets = pipeline.apply_to_batch(
        IMAGES[indices], torch.tensor(indices), epoch, indices, partners
    )
    return dict(zip(indices, images, strict=True)), targets


def test_data_in_batches_is_kept_in_batches_as_early_as_can_be():
    transforms = [RandomHorizontalFlip(), BICUBIC, rotation(), ToFloat()]
    pipeline = Pipeline(transforms, 0, in_batches=True)
    assert names(pipeline.on_samples) == ["RandomHorizontalFlip", "RandomResizedCrop"]
    assert names(pipeline.on_batches) == ["RandomRotation", "ToFloat"]


def test_data_one_by_one_stays_so_as_long_as_can_be():
    transforms = [RandomHorizontalFlip(), rotation(), RandomVerticalFlip(), ToFloat(), RandomHorizontalFlip()]
    pipeline = Pipeline(transforms, 0, in_batches=False)
    assert names(pipeline.on_samples) == ["RandomHorizontalFlip", "RandomRotation", "RandomVerticalFlip"]
    assert names(pipeline.on_batches) == ["ToFloat", "RandomHorizontalFlip"]


@EITHER
def test_a_foreign_callable_works_on_samples(in_batches):
    pipeline = Pipeline([noise, ToFloat()], 0, in_batches)
    assert names(pipeline.on_samples) == ["noise"]
    assert names(pipeline.on_batches) == ["ToFloat"]


@EITHER
@pytest.mark.parametrize("after", [lambda: BICUBIC, lambda: noise], ids=["RandomResizedCrop", "noise"])
def test_a_transform_of_samples_after_one_of_batches_is_refused_and_both_are_named(in_batches, after):
    name = names([(0, after())])[0]
    with pytest.raises(UsageError, match=f"{name} works on single samples, but stands after Mixup"):
        Pipeline([RandomHorizontalFlip(), Mixup(), RandomVerticalFlip(), after(), ToFloat()], 0, in_batches)


@EITHER
def test_two_transforms_that_mix_samples_are_refused_and_both_are_named(in_batches):
    with pytest.raises(UsageError, match="Mixup and Cutmix both mix samples"):
        Pipeline([Mixup(), Cutmix()], 0, in_batches)


@EITHER
def test_images_come_out_as_floats_without_any_transform(in_batches):
    images, targets = on_batch(Pipeline([], 0, in_batches), [3, 1])
    assert torch.equal(images[3], IMAGES[3] / 255)
    assert targets.tolist() == [3, 1]


def test_to_float_takes_images_of_different_sizes_and_leaves_floats_alone():
    small, large = to_float([IMAGES[0], torch.full((3, 2, 2), 7.0)])
    assert torch.equal(small, IMAGES[0] / 255)
    assert torch.equal(large, torch.full((3, 2, 2), 7.0))


TRANSFORMS = [RandomHorizontalFlip(), rotation(), noise]


def test_a_sample_is_transformed_alike_in_any_batch():
    pipeline = Pipeline(TRANSFORMS, 5, in_batches=False)
    together = on_samples(pipeline, range(10))
    for indices in ([7], [3, 7, 1], [9, 8, 7, 6]):
        for index, image in on_samples(pipeline, indices).items():
            assert torch.equal(image, together[index])


def test_a_batch_is_transformed_alike_however_it_is_cut():
    pipeline = Pipeline([RandomHorizontalFlip(), Mixup(), ToFloat()], 5, in_batches=True)
    together, targets = on_batch(pipeline, list(range(10)))
    for indices in ([7], [3, 7, 1], [9, 8, 7, 6]):
        images, mixed = on_batch(pipeline, indices)
        assert torch.equal(mixed.second, targets.second[indices])
        assert torch.equal(mixed.weight, targets.weight[indices])
        for index, image in images.items():
            assert torch.equal(image, together[index])


@pytest.mark.parametrize("other", [{"seed": 6}, {"epoch": 1}], ids=["seed", "epoch"])
@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda item: names([(0, item)])[0])
def test_another_seed_or_epoch_gives_other_images(transform, other):
    def images(seed=5, epoch=0):
        return torch.stack(list(on_samples(Pipeline([transform], seed, False), range(10), epoch).values()))

    assert torch.equal(images(), images())
    assert not torch.equal(images(), images(**other))


def test_samples_are_drawn_apart_and_so_are_two_transforms_of_one_kind():
    pipeline = Pipeline([RandomHorizontalFlip(), RandomHorizontalFlip()], 5, in_batches=False)
    flips = [
        transform.draw(pipeline.keys(0, range(200)).fold(place + 1))["flip"]
        for place, transform in pipeline.on_samples
    ]
    for flip in flips:
        assert 70 < int(flip.sum()) < 130
    assert 70 < int((flips[0] == flips[1]).sum()) < 130


def test_both_stages_draw_the_same_parameters():
    transforms = [RandomHorizontalFlip(), RandomVerticalFlip()]
    samples = on_samples(Pipeline(transforms, 5, in_batches=False), range(10))
    batch, _ = on_batch(Pipeline(transforms, 5, in_batches=True), list(range(10)))
    for index in range(10):
        assert torch.equal(samples[index] / 255, batch[index])


RESIZED = [RandomHorizontalFlip(), RandomResizedCrop(size=(7, 6)), rotation(), RandomVerticalFlip()]


@pytest.mark.parametrize("in_batches", [False, True], ids=["one by one", "in batches"])
def test_a_gpu_works_on_the_same_draws_as_a_cpu(in_batches):
    """What would run on a GPU, on a CPU."""

    def transformed(pipeline):
        done = pipeline.apply_to_samples([(tv_tensors.Image(image), 0) for image in IMAGES], 2, range(10))
        batch = torch.stack([image.as_subclass(torch.Tensor) for image, _ in done])
        return pipeline.apply_to_batch(batch, torch.zeros(10), 2, range(10), [])[0]

    on_cpu = Pipeline(RESIZED, 5, in_batches)
    on_gpu = Pipeline(RESIZED, 5, in_batches, device_type="cuda", one_size_from=2)
    expected = ["RandomRotation", "RandomVerticalFlip"]
    assert names(on_gpu.on_batches) == (names(enumerate(RESIZED)) if in_batches else expected)
    assert names(on_cpu.on_batches) == (expected if in_batches else [])
    torch.testing.assert_close(transformed(on_gpu), transformed(on_cpu), atol=1.01 / 255, rtol=0)


def test_what_comes_after_the_fixed_transforms_runs_where_the_whole_would():
    transforms = [CenterCrop(INFO, size=8), RandomHorizontalFlip(), rotation(), ToFloat()]
    pipeline = Pipeline(transforms, 5, in_batches=False, device_type="cuda", one_size_from=0)
    assert not pipeline.on_samples and pipeline.num_fixed == 1
    for whole in (False, True):
        fixed, rest = pipeline.divided(in_batches=whole)
        assert names(fixed.on_samples) == ["CenterCrop"] and not fixed.on_batches
        assert names(rest.on_batches) == names(enumerate(transforms[1:])) and not rest.on_samples
        assert [place for place, _ in rest.on_batches] == [1, 2, 3]


def test_transforms_get_what_they_drew_where_they_want_it():
    class Looking(Transform):
        def __init__(self, on_host):
            self.host_parameters = on_host

        def draw(self, keys):
            return {"number": keys.uniform()}

        def apply_batch(self, images, targets, parameters):
            self.found = parameters["number"].device.type
            return images, targets

    looking = [Looking(True), Looking(False)]
    images = torch.empty(4, 3, 8, 8, device="meta")
    Pipeline(looking, 5, in_batches=True).apply_to_batch(images, None, 0, range(4), [])
    assert [transform.found for transform in looking] == ["cpu", "meta"]


def global_states():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


def test_the_global_generators_are_left_where_they_were():
    before = global_states()
    pipeline = Pipeline([*TRANSFORMS, Mixup()], 5, in_batches=False)
    on_samples(pipeline, range(4))
    on_batch(pipeline, [1, 2])
    with pytest.raises(PluginError, match="The transform failing fails on sample 0: OSError: broken"):
        on_samples(Pipeline([failing], 5, in_batches=False), [0])
    assert global_states() == before


def test_a_foreign_callable_does_not_depend_on_the_global_generators():
    pipeline = Pipeline([noise], 5, in_batches=False)
    images = []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        images.append(on_samples(pipeline, [4])[4])
    assert torch.equal(*images)


def test_partners_are_a_function_of_seed_epoch_and_index():
    pipeline = Pipeline([Mixup()], 5, in_batches=True)
    (together,) = pipeline.partners(0, list(range(500)), 1000)
    assert 0 <= min(together) <= max(together) < 1000
    assert len(set(together)) > 350
    assert pipeline.partners(0, [499, 3], 1000) == [[together[499], together[3]]]
    assert pipeline.partners(1, list(range(500)), 1000) != [together]
    assert Pipeline([Mixup()], 6, in_batches=True).partners(0, list(range(500)), 1000) != [together]
    assert Pipeline([rotation()], 5, in_batches=False).partners(0, [1], 1000) == []


def test_partners_are_transformed_as_they_would_be_themselves():
    flips = [RandomHorizontalFlip(), RandomVerticalFlip()]
    indices = list(range(10))
    flipped, _ = on_batch(Pipeline(flips, 5, in_batches=True), indices)
    images, targets = on_batch(Pipeline([*flips, ToFloat(), Mixup()], 5, in_batches=True), indices)
    assert targets.first.tolist() == indices
    for index, other, weight in zip(indices, targets.second.tolist(), targets.weight, strict=True):
        expected = weight * flipped[index] + (1 - weight) * flipped[other]
        torch.testing.assert_close(images[index], expected)
