"""Whether a transform moves targets with the image: a bright blob, its mask and its box are followed.

A transform may change colours too, so the blob is not looked for by its brightness. The transform is run
twice with the same randomness, on images that differ in the blob's brightness only: where the results differ,
there the blob went.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d
from torchvision import tv_tensors

from imgfw.testing.transforms import Sample, Trial

_SAMPLES = 48
_MAY_STRAY = 2
"""So many samples may look wrong: what erases or blurs the blob makes some hard to tell."""

_NEAR = 1
"""Pixels that edges may be off, by interpolation and rounding."""

_GROUND, _BLOB, _OTHER_BLOB = 60, 230, 170
_OUTSIDE_SHARE = 0.05
_SPREAD = 3.0
"""How many times stronger than the usual difference that of the blob must be, to be taken for it."""


def expect_in_step(trial: Trial) -> None:
    """See that a transform moves image, masks and boxes together.

    Raises:
        Nonconformity: it doesn't.
    """
    indices, blobs = range(_SAMPLES), (_BLOB, _OTHER_BLOB)
    if trial.on_samples:
        bright, other = (trial.one_by_one([_sample(trial, blob)] * _SAMPLES, indices) for blob in blobs)
        _compare(trial, bright, [image for image, _ in other], "")
    if trial.takes_batches:
        made, others = (
            trial.whole(*trial.batch([_sample(trial, blob)] * _SAMPLES), indices) for blob in blobs
        )
        samples = [(image, tv_tensors.Mask(mask)) for image, mask in zip(*made, strict=True)]
        _compare(trial, samples, list(others[0]), " in apply_batch")


def _sample(trial: Trial, brightness: int) -> Sample:
    """A blob off the centre, and where it is."""
    assert trial.info.image_size is not None
    height, width = trial.info.image_size
    top, bottom, left, right = height // 6, height // 2, width // 8, width // 3
    image = torch.full((trial.info.channels, height, width), _GROUND, dtype=torch.uint8)
    image[:, top:bottom, left:right] = brightness
    if trial.info.task == "segmentation":
        mask = torch.zeros(height, width, dtype=torch.uint8)
        mask[top:bottom, left:right] = 1
        return tv_tensors.Image(image), tv_tensors.Mask(mask)
    box = torch.tensor([[left, top, right, bottom]], dtype=torch.float32)
    boxes = tv_tensors.BoundingBoxes(box, format="XYXY", canvas_size=(height, width))
    return tv_tensors.Image(image), {"boxes": boxes, "labels": torch.tensor([1])}


def _compare(trial: Trial, samples: list[Sample], others: list[Any], where: str) -> None:
    strayed = []
    follow = _follow_mask if trial.info.task == "segmentation" else _follow_boxes
    for (image, target), other in zip(samples, others, strict=True):
        expected, blob = follow(trial, image, target), _blob(image, other)
        if blob is not None and _strays(blob, expected):
            strayed.append(blob)
    what = "mask" if trial.info.task == "segmentation" else "boxes"
    trial.subject.expect(
        len(strayed) <= _MAY_STRAY,
        f"it moves the image without the {what}, or otherwise{where}: in {len(strayed)} of {len(samples)} "
        f"samples a bright blob is not where the {what} say{'s' if what == 'mask' else ''}. Masks and boxes "
        "are tv_tensors; torchvision.transforms.v2.functional moves each as it moves the image.",
    )


def _blob(image: Any, other: Any) -> Tensor | None:
    """Where the blob went: bool `[H, W]`; None where that cannot be told."""
    if image.shape != other.shape:
        return None
    difference = (image.as_subclass(Tensor).float() - other.as_subclass(Tensor).float()).abs().amax(0)
    greatest, usual = float(difference.max()), float(difference.median())
    scale = 255.0 if image.dtype == torch.uint8 else float(image.abs().max())
    if greatest <= 0.05 * scale or greatest <= _SPREAD * usual:
        return None
    went: Tensor = difference > greatest / 2
    return went


def _strays(blob: Tensor, expected: Tensor) -> bool:
    """Whether more than a few pixels of the blob are away from where they should be."""
    padded = expected.float()[None, None]
    near = max_pool2d(padded, 2 * _NEAR + 1, stride=1, padding=_NEAR)[0, 0] > 0
    outside = int((blob & ~near).sum())
    return outside > max(4, _OUTSIDE_SHARE * int(blob.sum()))


def _follow_mask(trial: Trial, image: Any, mask: Any) -> Tensor:
    """The pixels that the mask gives to the blob, or to nothing."""
    subject, ignored = trial.subject, trial.info.ignore_index
    subject.expect(
        isinstance(mask, tv_tensors.Mask) and mask.shape[-2:] == image.shape[-2:],
        f"it makes an image {list(image.shape[-2:])} and a {type(mask).__name__} {list(mask.shape[-2:])}. "
        "Move the mask alike, and keep it a tv_tensors.Mask.",
    )
    plain = mask.as_subclass(Tensor).reshape(image.shape[-2:])
    odd = sorted(set(plain.unique().tolist()) - {0, 1, ignored})
    subject.expect(
        not odd,
        f"it makes up mask values, as {odd[:3]}. Resample masks with nearest; fill with the ignore index.",
    )
    follows: Tensor = (plain == 1) | (plain == ignored)
    return follows


def _follow_boxes(trial: Trial, image: Any, target: Any) -> Tensor:
    """The pixels within the boxes."""
    subject = trial.subject
    boxes = target["boxes"] if isinstance(target, dict) else None
    subject.expect(
        isinstance(boxes, tv_tensors.BoundingBoxes) and len(boxes) == len(target["labels"]),
        'it makes a target whose "boxes" are no tv_tensors.BoundingBoxes, or not as many as its "labels".',
    )
    assert boxes is not None
    canvas = tuple(boxes.canvas_size)
    subject.expect(
        canvas == tuple(image.shape[-2:]),
        f"it makes an image {tuple(image.shape[-2:])}, but boxes of a canvas {canvas}.",
    )
    inside = torch.zeros(canvas, dtype=torch.bool)
    for left, top, right, bottom in boxes.as_subclass(Tensor).reshape(-1, 4).round().int().tolist():
        inside[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = True
    return inside
