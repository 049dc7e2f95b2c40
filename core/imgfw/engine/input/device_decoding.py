"""Decoding the JPEGs of a batch on the device, in one call: by nvJPEG on a GPU, whose own engine does it.

The workers hand such files over as they are. What the device cannot decode is decoded once more on the host,
which alone tells good files from bad ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors

from imgfw.contract.errors import BadSampleError, Problem, RecipeError, UsageError
from imgfw.contract.transform import Transform
from imgfw.engine.input.coded import CodedImages
from imgfw.engine.input.images import read_image
from imgfw.engine.input.loading import RawBatch, collate_images
from imgfw.engine.input.placement import name_of
from imgfw.engine.input.sending import to_device
from imgfw.engine.input.splits import BadSample, Indices
from imgfw.recipe.checking import (
    decoding_of_targets_with_places,
    decoding_without_torchcodec,
    foreign_transform,
)

if TYPE_CHECKING:
    from imgfw.engine.input.data import Data
    from imgfw.engine.input.pipeline import Pipeline
    from imgfw.recipe.resolving import ResolvedRecipe

_PIXELS_AT_ONCE = 1 << 27
"""Of images that are decoded by one call, unless one alone has more: they take 400 MB."""

_DEVICES = ("cpu", "cuda")


class DeviceDecoder:
    """Decodes what workers left coded, and does the work of the transforms on samples.

    Args:
        pipeline: the transforms.
        device: where to.

    Raises:
        UsageError: torchcodec is missing, or cannot decode on the device.
    """

    def __init__(self, pipeline: Pipeline, device: torch.device) -> None:
        self._pipeline = pipeline
        self._device = device
        self._decode = _decoder_for(device)

    def decode(self, raw: RawBatch) -> RawBatch:
        """Put decoded images in the place of coded ones, within the batch itself and its partners.

        A sample whose image cannot be decoded is left out and noted in `bad`; one whose partner cannot be
        becomes its own.
        """
        if all(batch.coded is None for batch in (raw, *raw.partners)):
            return raw
        own, others = self._decoded(raw), [self._decoded(partner) for partner in raw.partners]
        found = [image for image in own if isinstance(image, BadSample)]
        kept = [place for place, image in enumerate(own) if isinstance(image, Tensor)]
        changes = []
        for partner, images in zip(raw.partners, others, strict=True):
            bad = [image for image in map(images.__getitem__, kept) if isinstance(image, BadSample)]
            found += bad
            chosen = [place if isinstance(images[place], Tensor) else len(own) + place for place in kept]
            targets, indices = partner.targets, partner.indices
            if bad:  # the batch's own samples come after the partners
                targets = torch.cat([targets, raw.targets])
                indices = [*indices, *raw.indices]
            changes.append(_kept([*images, *own], targets, indices, chosen))
        changes.append(_kept(own, raw.targets, raw.indices, kept))
        # Only now, when memory was enough for all: else the step tries again with the batch as it was.
        for batch, (images, targets, indices) in zip((*raw.partners, raw), changes, strict=True):
            batch.images, batch.targets, batch.indices, batch.coded = images, targets, indices, None
        raw.bad.extend(found)
        return raw

    def _decoded(self, raw: RawBatch) -> list[Tensor | BadSample]:
        """The images of a batch, all on the device and after the transforms on samples."""
        if raw.coded is None:
            return list(to_device(raw.images, self._device))
        found: dict[int, Tensor | BadSample] = {}
        for positions, decoded in self._in_parts(raw.coded):
            found |= zip(positions, decoded, strict=True)
            good = [place for place in positions if isinstance(found[place], Tensor)]
            moved = self._pipeline.apply_to_samples(
                [(found[place], None) for place in good],
                raw.epoch,
                [int(raw.indices[place]) for place in good],
                device=self._device,
            )
            found |= {place: image for place, (image, _) in zip(good, moved, strict=True)}
        rest = iter(to_device(raw.images, self._device))
        return [found[place] if place in found else next(rest) for place in range(len(raw.indices))]

    def _in_parts(self, coded: CodedImages) -> Iterator[tuple[list[int], list[Tensor | BadSample]]]:
        """Decode as many images at once as memory should hold: their positions, and what became of them."""
        files = coded.files()
        for part in _parts(coded.pixels):
            decoded: Sequence[Tensor | BadSample] = self._try([files[number] for number in part]) or [
                self._decode_alone(files[number], coded.samples[number], coded.pixels[number])
                for number in part
            ]
            yield (
                [coded.positions[number] for number in part],
                [image if isinstance(image, BadSample) else tv_tensors.Image(image) for image in decoded],
            )

    def _try(self, files: list[Tensor]) -> list[Tensor] | None:
        """Decode files on the device; None where it cannot decode one of them."""
        try:
            return self._decode(files)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:
            return None

    def _decode_alone(self, file: Tensor, sample: BadSample, pixels: int) -> Tensor | BadSample:
        """Decode a file of a batch that failed: on the device, else on the host."""
        decoded = self._try([file])
        if decoded:
            return decoded[0]
        try:
            image: Tensor = read_image(file.numpy().tobytes(), max_pixels=pixels, name=sample.source)
        except BadSampleError as error:
            return dataclasses.replace(sample, reason=error.reason)
        return image.to(self._device)


def _kept(
    images: Sequence[Any], targets: Any, indices: Indices, places: Sequence[int]
) -> tuple[Any, Any, Indices]:
    """Images, targets and indices of some samples of a batch."""
    chosen = collate_images([images[place] for place in places], False) if places else []
    if list(places) == list(range(len(indices))):
        return chosen, targets, indices
    return chosen, targets[list(places)], [int(indices[place]) for place in places]


def _parts(pixels: Sequence[int]) -> Iterator[list[int]]:
    """Consecutive numbers of images whose pixels are not too many together."""
    part: list[int] = []
    together = 0
    for number, count in enumerate(pixels):
        if part and together + count > _PIXELS_AT_ONCE:
            yield part
            part, together = [], 0
        part.append(number)
        together += count
    yield part


@cache
def _decoder_for(device: torch.device) -> Callable[[list[Tensor]], list[Tensor]]:
    """What decodes files on a device; it has decoded one.

    Raises:
        UsageError: torchcodec is missing, or cannot do it.
    """
    try:
        from torchcodec.decoders import decode_jpeg  # type: ignore[attr-defined,unused-ignore]
    except ImportError as error:
        problem = decoding_without_torchcodec()
        raise UsageError(f"{problem.path}: {problem.message}", problem.hint) from error
    except (OSError, RuntimeError) as error:  # its libraries are for another torch, or lack others
        raise _cannot_decode(device, error) from error
    own = torch.device(device.type, torch.cuda.current_device()) if device.type == "cuda" else device

    def decode(files: list[Tensor]) -> list[Tensor]:
        return cast(list[Tensor], decode_jpeg(files, mode="RGB", device=own))

    sample = BytesIO()
    Image.new("RGB", (32, 32)).save(sample, "JPEG")
    try:
        decode([torch.frombuffer(bytearray(sample.getvalue()), dtype=torch.uint8)])
    except RuntimeError as error:
        raise _cannot_decode(device, error) from error
    return decode


def _cannot_decode(device: torch.device, error: Exception) -> UsageError:
    reason = str(error).strip().partition("\n")[0]
    return UsageError(
        f'loader.decode: is "device", but torchcodec cannot decode on {device}: {reason}',
        'Install a torchcodec that is built for this torch and has nvJPEG, or set it to "cpu".',
    )


def refuse_what_cannot_be_decoded(resolved: ResolvedRecipe, data: Data, device: torch.device) -> None:
    """Where a recipe wants images decoded on the device, see that they can be.

    Raises:
        RecipeError: the data, the device or a transform is not for it.
    """
    if resolved.recipe.loader.decode == "cpu":
        return
    problems = list(_problems(resolved, data, device))
    if problems:
        raise RecipeError(problems, resolved.source.label)


def _problems(resolved: ResolvedRecipe, data: Data, device: torch.device) -> Iterator[Problem]:
    way_out = 'Set it to "cpu".'
    if device.type not in _DEVICES:
        yield Problem("loader.decode", f"images cannot be decoded on {device.type}.", way_out)
    if not data.task.of_whole_images:
        yield decoding_of_targets_with_places(data.info.task)
    elif not data.views.train.reads_small:
        message = f"{resolved.data.provider.name} does not read its images with imgfw.read_image."
        yield Problem("loader.decode", message, way_out, resolved.data.provider.qualified)
    for nodes, pipeline in (
        (resolved.train_transforms, data.train_pipeline),
        (resolved.eval_transforms, data.eval_pipeline),
    ):
        for place, item in pipeline.on_samples:
            if not isinstance(item, Transform):
                yield foreign_transform(nodes[place], name_of(item))
