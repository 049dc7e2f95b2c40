"""Transforms at work: which run on single samples and which on batches, and with what randomness.

Every random number comes from (seed, epoch, sample index) and the transform's place in the list, so an image
is augmented alike whatever the batch, the worker and the process it is in.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors

from imgfw.contract.errors import ImgfwError, PluginError, UsageError
from imgfw.contract.random import Keys
from imgfw.contract.transform import Parameters, Transform
from imgfw.engine.generators import seeded
from imgfw.engine.input.decoding import Lead
from imgfw.engine.input.opencv import opencv, resample
from imgfw.engine.input.placement import (
    AnyTransform,
    Sample,
    first_on_batches,
    is_warp,
    name_of,
    works_on_batches,
)
from imgfw.engine.input.splits import Indices
from imgfw.engine.input.warping import warps_of

Placed = tuple[int, AnyTransform]
"""A transform after its place in the recipe's list."""

_CPU = torch.device("cpu")


class Pipeline:
    """The transforms of one split.

    Transforms run on samples first, in the workers, and on batches from some place on, on the device;
    `placement` tells from where on.

    Args:
        transforms: in the order of work.
        seed: the run's.
        in_batches: whether the data comes in batches.
        one_warp: whether affine maps in a row are done in one resampling, with OpenCV.
        device_type: where batches will be.
        one_size_from: how many transforms come before images that come one by one have one size, and targets
            that whole batches can be moved with; None: not known.
        ignore_index: the value of mask pixels of which nothing is known.
        first: the first transform's place in the recipe's list.

    Raises:
        UsageError: a transform stands where it cannot work, or OpenCV is missing.
    """

    def __init__(
        self,
        transforms: Sequence[AnyTransform],
        seed: int,
        in_batches: bool,
        *,
        one_warp: bool = False,
        device_type: str = "cpu",
        one_size_from: int | None = None,
        ignore_index: int = 255,
        first: int = 0,
    ) -> None:
        self._transforms = list(enumerate(transforms, first))
        self._seed = seed
        start = first_on_batches(
            transforms,
            in_batches,
            one_warp=one_warp,
            device_type=device_type,
            one_size_from=one_size_from,
        )
        self.on_samples = self._transforms[:start]
        self.on_batches = [
            (place, item) for place, item in self._transforms[start:] if isinstance(item, Transform)
        ]
        self._one_warp = one_warp
        self._device_type = device_type
        self._ignore_index = ignore_index
        self.num_fixed = self._count_fixed()
        leading = self.on_samples[: self.num_fixed] or self.on_samples
        self._lead = _warps_in(itertools.takewhile(lambda item: is_warp(item[1]), leading))
        if one_warp and any(is_warp(item) for _, item in self.on_samples):
            opencv()
        self.mixing = [(place, item) for place, item in self.on_batches if item.num_partners]
        if len(self.mixing) > 1:
            names = " and ".join(name_of(item) for _, item in self.mixing)
            raise UsageError(f"{names} both mix samples; a recipe can have one transform that does.")

    def _count_fixed(self) -> int:
        """How many transforms come first that work on samples and always do the same: what they make can be
        kept."""
        count = 0
        for _, group in self._groups(self._transforms):
            if not all(_is_fixed(item) for _, item in group):
                break
            count += len(group)
        return count

    def divided(self, in_batches: bool) -> tuple[Pipeline, Pipeline]:
        """The transforms that always do the same, and those after them.

        Args:
            in_batches: whether what comes between comes in batches.
        """
        items = [item for _, item in self._transforms]
        make = partial(Pipeline, seed=self._seed, one_warp=self._one_warp, ignore_index=self._ignore_index)
        return (
            make(items[: self.num_fixed], in_batches=False),
            make(
                items[self.num_fixed :],
                in_batches=in_batches,
                device_type=self._device_type,
                one_size_from=0,
                first=self.num_fixed,
            ),
        )

    def keys(self, epoch: int, indices: Indices) -> Keys:
        """The keys of samples in an epoch."""
        return Keys.of_samples(self._seed, epoch, indices)

    def partners(self, epoch: int, indices: Indices, num_samples: int) -> list[list[int]]:
        """The samples that are mixed into those given: as many lists as the mixing transform wants."""
        if not self.mixing:
            return []
        place, transform = self.mixing[0]
        keys = self.keys(epoch, indices).fold(-1 - place)
        chosen = keys.integers(num_samples, transform.num_partners)
        return [column.tolist() for column in chosen.unbind(1)]

    def leads(self, epoch: int, indices: Sequence[int], defers: bool = False) -> list[Lead] | None:
        """What readers of image files ask how small to decode; None where the first transform can't say.

        Args:
            epoch: from 0.
            indices: the samples' indices in the split.
            defers: whether files that a device can decode are wanted as they are.
        """
        if not self._lead and not defers:
            return None
        keys = self.keys(epoch, indices)
        drawn = [(item, _rows(item, keys.fold(place + 1))) for place, item in self._lead]
        return [
            Lead([(item, rows[position]) for item, rows in drawn], self._one_warp, defers)
            for position in range(len(indices))
        ]

    def apply_to_samples(
        self,
        samples: list[Sample],
        epoch: int,
        indices: Sequence[int],
        leads: Sequence[Lead] | None = None,
        device: torch.device = _CPU,
    ) -> list[Sample]:
        """Run the part that works on single samples.

        Args:
            samples: images and targets.
            epoch: from 0.
            indices: the samples' indices in the split.
            leads: what the images were decoded with.
            device: where the images are.

        Raises:
            PluginError: a transform fails; it and the sample are named.
        """
        keys, samples, done = self.keys(epoch, indices), list(samples), [0] * len(samples)
        for position, lead in enumerate(leads or ()):
            image, target, done[position] = lead.finish(*samples[position])
            samples[position] = image, target
        for first, group in self._groups(self.on_samples):
            if min(done, default=0) > first:
                continue
            work = self._work_of(group, keys, device)
            for position, sample in enumerate(samples):
                if done[position] > first:
                    continue
                try:
                    samples[position] = work(position, sample)
                except ImgfwError:
                    raise
                except Exception as error:  # a transform is a plugin's code and may raise anything
                    reason = f"{type(error).__name__}: {error}".rstrip(": ")
                    names = " and ".join(name_of(transform) for _, transform in group)
                    raise PluginError(
                        f"The transform {names} fails on sample {indices[position]}: {reason}.",
                        "IMGFW_DEBUG=1 shows where.",
                    ) from error
        return samples

    def _groups(self, items: list[Placed]) -> Iterator[tuple[int, list[Placed]]]:
        """The transforms, those together that are one resampling; each group after how many transforms stand
        before it."""
        first = 0
        for warps, run in itertools.groupby(items, lambda item: is_warp(item[1])):
            members = list(run)
            for group in [members] if warps and self._one_warp else [[member] for member in members]:
                yield first, group
                first += len(group)

    def _work_of(
        self, group: list[Placed], keys: Keys, device: torch.device
    ) -> Callable[[int, Sample], Sample]:
        """The work of a group on the sample at a position of a batch, its random numbers drawn."""
        if not (self._one_warp and is_warp(group[0][1])):
            [(place, transform)] = group
            folded = keys.fold(place + 1)
            if device.type != "cpu" and works_on_batches(transform) and not is_warp(transform):
                return _in_batches_of_one(transform, folded, device)
            return _on_each(transform, folded)
        drawn = [(item, _rows(item, keys.fold(place + 1))) for place, item in _warps_in(group)]

        def warp(position: int, sample: Sample) -> Sample:
            image, target = sample
            size = (image.shape[-2], image.shape[-1])
            warps = list(warps_of([(item, rows[position]) for item, rows in drawn], size))
            return resample(image, target, warps, size, self._ignore_index)

        return warp

    def apply_to_batch(
        self, images: Any, targets: Any, epoch: int, indices: Indices, partners: list[PartnerBatch]
    ) -> tuple[Any, Any]:
        """Run the part that works on batches; the images come out as floats.

        Args:
            images: uint8 `[B, C, H, W]` on the device, or a list of images of different sizes.
            targets: as the task collated them.
            epoch: from 0.
            indices: the samples' indices in the split.
            partners: the batches to mix in, as `(images, targets, indices)`.
        """
        for place, transform, parameters in self._with_drawn(epoch, indices, images):
            if transform.num_partners:
                others = [self._up_to(place, partner, epoch) for partner in partners]
                images, targets = transform.mix_batch(images, targets, others, parameters)
            else:
                images, targets = transform.apply_batch(images, targets, parameters)
        return to_float(images), targets

    def _up_to(self, end: int, batch: PartnerBatch, epoch: int) -> tuple[Any, Any]:
        """A partner's batch as it is where the mixing happens."""
        images, targets, indices = batch
        for place, transform, parameters in self._with_drawn(epoch, indices, images):
            if place == end:
                break
            images, targets = transform.apply_batch(images, targets, parameters)
        return images, targets

    def _with_drawn(
        self, epoch: int, indices: Indices, images: Any
    ) -> Iterator[tuple[int, Transform, Parameters]]:
        """The transforms on batches, each with its place and what it draws, where it wants that."""
        device = (images[0] if isinstance(images, list) else images).device
        keys = None
        for place, transform in self.on_batches:
            parameters: Parameters = {}
            if _draws(transform):
                keys = keys or self.keys(epoch, indices)
                parameters = _on_its_device(transform, transform.draw(keys.fold(place + 1)), device)
            yield place, transform, parameters


PartnerBatch = tuple[Any, Any, Indices]


def to_float(images: Any) -> Any:
    """Images from uint8 to float32 in 0..1; floats as they are. A tensor, or a list of tensors."""
    if isinstance(images, list):
        return [to_float(image) for image in images]
    plain: Tensor = images if type(images) is Tensor else images.as_subclass(Tensor)
    return plain if plain.is_floating_point() else plain.float().div_(255)


def _is_fixed(transform: Any) -> bool:
    """Whether a transform on samples draws nothing."""
    return isinstance(transform, Transform) and transform.works_on_samples() and not _draws(transform)


def _draws(transform: Transform) -> bool:
    return type(transform).draw is not Transform.draw


def _on_its_device(transform: Transform, drawn: Parameters, device: torch.device) -> Parameters:
    """What a transform drew, where it wants it."""
    if transform.host_parameters or device.type == "cpu":
        return drawn
    return {name: value.to(device, non_blocking=True) for name, value in drawn.items()}


def _warps_in(items: Iterable[Placed]) -> list[tuple[int, Transform]]:
    return [(place, item) for place, item in items if is_warp(item)]


def _rows(transform: Transform, keys: Keys) -> list[Parameters]:
    """What a transform draws, sample by sample."""
    drawn = transform.draw(keys)
    if not drawn:
        return [{} for _ in range(len(keys))]
    rows = zip(*(value.unbind() for value in drawn.values()), strict=True)
    return [dict(zip(drawn, row, strict=True)) for row in rows]


def _on_each(transform: AnyTransform, keys: Keys) -> Callable[[int, Sample], Sample]:
    """A transform's work on the sample at a position of a batch, its random numbers drawn."""
    if isinstance(transform, Transform):
        rows = _rows(transform, keys)
        return lambda position, sample: transform.apply(*sample, rows[position])
    seeds = keys.bits().tolist()

    def call_seeded(position: int, sample: Sample) -> Sample:
        with seeded(seeds[position]):
            return transform(*sample)

    return call_seeded


def _in_batches_of_one(
    transform: Transform, keys: Keys, device: torch.device
) -> Callable[[int, Sample], Sample]:
    """The work of a transform of batches on the sample at a position, where images are not on the host.

    Only such a transform says where it wants what it draws.
    """
    drawn = _on_its_device(transform, transform.draw(keys), device)

    def work(position: int, sample: Sample) -> Sample:
        image, target = sample
        row = {name: value[position : position + 1] for name, value in drawn.items()}
        images, target = transform.apply_batch(image.as_subclass(Tensor).unsqueeze(0), target, row)
        return tv_tensors.wrap(images.squeeze(0), like=image), target

    return work


def as_mask(targets: Any, like: Any) -> Any:
    """A batch of masks as `tv_tensors.Mask`, where the samples' targets were masks."""
    return tv_tensors.Mask(targets) if isinstance(like, tv_tensors.Mask) else targets
