"""What holds for every built-in transform."""

from __future__ import annotations

import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from imgfw import ChannelStatistics, DatasetInfo, Keys
from imgfw_plugins import transforms as built_in
from imgfw_plugins.transforms import PROVIDERS, samples
from torchvision import tv_tensors

MAKE = {
    "center_crop": lambda info: built_in.CenterCrop(info, size=(20, 41)),
    "color_jitter": lambda info: built_in.ColorJitter(
        info, brightness=0.4, contrast=(0.5, 1.5), saturation=0.4, hue=0.2
    ),
    "cutmix": lambda info: built_in.Cutmix(),
    "gaussian_blur": lambda info: built_in.GaussianBlur(kernel_size=(5, 3)),
    "mixup": lambda info: built_in.Mixup(alpha=0.2),
    "normalize": lambda info: built_in.Normalize(info, lambda: _statistics(info.channels)),
    "pad": lambda info: built_in.Pad(info, padding=(1, 2, 3, 4), fill=7),
    "rand_augment": lambda info: built_in.RandAugment(info, num_ops=3, magnitude=15),
    "random_affine": lambda info: built_in.RandomAffine(
        info, degrees=20, translate=(0.2, 0.1), scale=(0.8, 1.2), shear=(-5, 5, -3, 3)
    ),
    "random_apply": lambda info: built_in.RandomApply(
        transforms=[built_in.RandomHorizontalFlip(), built_in.RandomVerticalFlip()]
    ),
    "random_choice": lambda info: built_in.RandomChoice(
        transforms=[built_in.RandomVerticalFlip(p=1.0), built_in.RandomErasing(info, p=1.0)], p=(1, 3)
    ),
    "random_crop": lambda info: built_in.RandomCrop(info, size=(32, 21), padding=(4, 2), fill=9),
    "random_erasing": lambda info: built_in.RandomErasing(info, value="random"),
    "random_grayscale": lambda info: built_in.RandomGrayscale(info, p=0.5),
    "random_horizontal_flip": lambda info: built_in.RandomHorizontalFlip(),
    "random_resized_crop": lambda info: built_in.RandomResizedCrop(size=(24, 17)),
    "random_rotation": lambda info: built_in.RandomRotation(info, degrees=45, interpolation="bilinear"),
    "random_vertical_flip": lambda info: built_in.RandomVerticalFlip(),
    "resize": lambda info: built_in.Resize(size=19),
    "to_float": lambda info: built_in.ToFloat(),
    "trivial_augment_wide": lambda info: built_in.TrivialAugmentWide(info),
}


def _statistics(channels: int) -> ChannelStatistics:
    return ChannelStatistics(mean=(0.4,) * channels, std=(0.2,) * channels)


def _name(provider: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", provider.__name__).lower()


def _info(channels: int) -> DatasetInfo:
    return DatasetInfo(task="segmentation", classes=("sky", "sea"), channels=channels)


MADE = {name: make(_info(3)) for name, make in MAKE.items()}
ANY = sorted(MADE)
SAMPLE_STAGE = [name for name in ANY if MADE[name].works_on_samples()]
BATCH_STAGE = [name for name in ANY if MADE[name].works_on_batches() and not MADE[name].num_partners]
SETTINGS = {
    "gaussian_blur, wide": lambda info: built_in.GaussianBlur(kernel_size=23, sigma=(3.0, 5.0)),
    "rand_augment, smooth": lambda info: built_in.RandAugment(
        info, num_ops=5, magnitude=21, interpolation="bilinear", fill=50
    ),
    "random_affine, smooth": lambda info: built_in.RandomAffine(
        info, degrees=180, scale=(0.3, 3), interpolation="bilinear", fill=(9, 99, 199)[: info.channels]
    ),
    "random_apply, of what draws on the host": lambda info: built_in.RandomApply(
        transforms=[built_in.RandomRotation(info, degrees=9), built_in.ColorJitter(info, contrast=0.5)]
    ),
    "random_choice, of all": lambda info: built_in.RandomChoice(
        transforms=[MAKE[name](info) for name in ("gaussian_blur", "random_affine", "random_grayscale")]
    ),
    "random_resized_crop, larger": lambda info: built_in.RandomResizedCrop(size=(70, 50)),
    "random_resized_crop, nearest": lambda info: built_in.RandomResizedCrop(size=20, interpolation="nearest"),
    "random_resized_crop, not smoothed": lambda info: built_in.RandomResizedCrop(size=9, antialias=False),
    "random_resized_crop, central": lambda info: built_in.RandomResizedCrop(
        size=16, scale=(0.9, 1.0), ratio=(4, 5)
    ),
    "random_rotation, nearest": lambda info: built_in.RandomRotation(info, degrees=180, fill=77),
}
"""Settings with which transforms go other ways."""

BATCHES = {name: MAKE[name] for name in BATCH_STAGE} | SETTINGS
BOTH_STAGES = {name: MAKE[name] for name in SAMPLE_STAGE if name in BATCH_STAGE} | SETTINGS


def test_every_provider_is_tried_here():
    assert {_name(provider) for provider in PROVIDERS} == set(MAKE)


def test_importing_the_transforms_imports_nothing_heavy():
    code = (
        "import sys, imgfw_plugins.transforms;"
        "print([m for m in ('torch', 'numpy', 'PIL', 'pydantic') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ANY)
def test_a_sample_is_drawn_alike_in_any_batch(name):
    transform = MAKE[name](_info(3))
    together = transform.draw(Keys.of_samples(3, 5, [11, 12, 13, 14]))
    alone = transform.draw(Keys.of_samples(3, 5, [13]))
    assert together.keys() == alone.keys()
    for key, values in together.items():
        assert torch.equal(values[2], alone[key][0])


@pytest.mark.parametrize("name", ANY)
def test_drawing_leaves_the_global_generator_alone(name, images, one_by_one):
    before = torch.get_rng_state()
    transform = MAKE[name](_info(3))
    parameters = transform.draw(Keys.of_samples(3, 5, range(4)))
    batch = images(4, 3, 33, 27)
    if transform.works_on_samples():
        one_by_one(transform, batch, [0] * 4, parameters)
    elif not transform.num_partners:
        transform.apply_batch(batch, torch.zeros(4), parameters)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", SAMPLE_STAGE)
def test_odd_sizes_and_grey_images_keep_their_kind_in_the_sample_stage(name, channels, images, one_by_one):
    transform = MAKE[name](_info(channels))
    batch = images(24, channels, 33, 27)
    masks = [tv_tensors.Mask(image[0] % 2) for image in batch]
    results, targets = one_by_one(transform, batch, masks, transform.draw(Keys.of_samples(3, 5, range(24))))
    for image, mask in zip(results, targets, strict=True):
        assert isinstance(image, tv_tensors.Image) and image.dtype == torch.uint8
        assert isinstance(mask, tv_tensors.Mask) and mask.shape == image.shape[-2:]
        assert set(mask.unique().tolist()) <= {0, 1, 255}
        assert image.shape[0] == channels


def _samples(images, count, channels, size, floats):
    """Noise as uint8, or as floats in 0..1, and masks of three classes."""
    batch = images(count, channels, *size)
    return (batch / 255 if floats else batch), tv_tensors.Mask(batch[:, 0] % 3)


@pytest.mark.parametrize("floats", [False, True], ids=["uint8", "floats"])
@pytest.mark.parametrize("size", [(33, 27), (29, 61)], ids=["tall", "wide"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", sorted(BOTH_STAGES))
def test_both_stages_make_the_same_images_and_masks(name, channels, size, floats, images, one_by_one):
    transform = BOTH_STAGES[name](_info(channels))
    batch, masks = _samples(images, 24, channels, size, floats)
    parameters = transform.draw(Keys.of_samples(3, 5, range(24)))
    single_images, single_masks = one_by_one(
        transform, batch, [tv_tensors.Mask(mask) for mask in masks], parameters
    )
    together, mask_batch = transform.apply_batch(batch, masks, parameters)
    assert isinstance(mask_batch, tv_tensors.Mask) and not isinstance(together, tv_tensors.TVTensor)
    torch.testing.assert_close(mask_batch, tv_tensors.Mask(torch.stack(single_masks)), atol=0, rtol=0)
    expected = torch.stack(single_images).as_subclass(torch.Tensor)
    if transform.prefers_batches("cpu"):  # to the bit, as kept images on a CPU promise
        assert torch.equal(together, expected)
    else:
        rounding = 1e-4 if floats else 1
        torch.testing.assert_close(together, expected, atol=rounding, rtol=0)


@pytest.mark.parametrize("name", sorted(BOTH_STAGES))
def test_a_batch_comes_out_alike_in_any_pieces(name, images, monkeypatch):
    transform = BOTH_STAGES[name](_info(3))
    batch, masks = _samples(images, 10, 3, (33, 27), floats=False)
    parameters = transform.draw(Keys.of_samples(3, 5, range(10)))
    whole, whole_masks = transform.apply_batch(batch, masks, parameters)
    monkeypatch.setattr(samples, "_PIECE_ON_CPU", 4 * batch[0].numel())
    pieces, piece_masks = transform.apply_batch(batch, masks, parameters)
    rounding = 0 if transform.prefers_batches("cpu") else 1
    torch.testing.assert_close(pieces, whole, atol=rounding, rtol=0)
    torch.testing.assert_close(piece_masks, whole_masks, atol=0, rtol=0)


@pytest.mark.parametrize("name", sorted(BATCHES))
def test_a_batch_comes_out_alike_however_it_lies_in_memory(name, images):
    transform = BATCHES[name](_info(3))
    batch, masks = _samples(images, 10, 3, (33, 27), floats=False)
    parameters = transform.draw(Keys.of_samples(3, 5, range(10)))
    planes, _ = transform.apply_batch(batch, masks, parameters)
    adjacent, _ = transform.apply_batch(
        batch.contiguous(memory_format=torch.channels_last), masks, parameters
    )
    torch.testing.assert_close(adjacent, planes, rtol=0, atol=1e-6 if planes.is_floating_point() else 0)


@pytest.mark.parametrize("name", sorted(BATCHES))
def test_no_work_on_a_batch_waits_for_the_device(name, images):
    """On a device without memory nothing can be read back."""
    transform = BATCHES[name](_info(3))
    batch, masks = _samples(images, 10, 3, (33, 27), floats=False)
    parameters = transform.draw(Keys.of_samples(3, 5, range(10)))
    expected, expected_masks = transform.apply_batch(batch, masks, parameters)
    if not transform.host_parameters:
        parameters = {key: values.to("meta") for key, values in parameters.items()}
    found, found_masks = transform.apply_batch(
        batch.to("meta"), tv_tensors.Mask(masks.to("meta")), parameters
    )
    assert found.device.type == found_masks.device.type == "meta"
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    assert (found_masks.shape, found_masks.dtype) == (expected_masks.shape, expected_masks.dtype)


@pytest.mark.parametrize("targets", [torch.arange(6), torch.eye(6, 4)], ids=["classes", "multi-hot rows"])
@pytest.mark.parametrize("name", BATCH_STAGE)
def test_class_targets_pass_through_the_batch_stage(name, targets, images):
    transform = MAKE[name](_info(3))
    batch = images(6, 3, 33, 27)
    _, after = transform.apply_batch(batch, targets, transform.draw(Keys.of_samples(0, 0, range(6))))
    assert torch.equal(after, targets)


SIZES = [
    (built_in.Resize, {"size": 19}, (31, 19)),
    (built_in.Resize, {"size": (8, 9)}, (8, 9)),
    (built_in.CenterCrop, {"size": 40}, (40, 40)),
    (built_in.RandomCrop, {"size": (8, 9)}, (8, 9)),
    (built_in.RandomResizedCrop, {"size": 12}, (12, 12)),
    (built_in.Pad, {"padding": (1, 2)}, (29, 17)),
]


@pytest.mark.parametrize(("provider", "settings", "size"), SIZES)
def test_the_size_is_foretold(provider, settings, size, images, info):
    foretold = provider.__imgfw_about__.output_size((25, 15), SimpleNamespace(**settings))
    needs_info = provider not in (built_in.Resize, built_in.RandomResizedCrop)
    transform = provider(info, **settings) if needs_info else provider(**settings)
    parameters = {name: values[0] for name, values in transform.draw(Keys.of_samples(0, 0, [0])).items()}
    image, _ = transform.apply(tv_tensors.Image(images(1, 3, 25, 15)[0]), 0, parameters)
    assert foretold == size == tuple(image.shape[-2:])
