"""Decoding images no larger than their first transforms need them.

Crops and resizings are affine maps, known before the image is: from the size in its header follows how much
of it survives. An image that comes smaller than it is goes through those transforms as one, at the places
that they choose in the whole image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from imgfw.contract.transform import Matrix, Warp
from imgfw.engine.input.jpeg import Box
from imgfw.engine.input.opencv import resample
from imgfw.engine.input.warping import (
    IDENTITY,
    Size,
    Stage,
    composed,
    covers,
    is_aligned,
    least_size,
    scales,
    scaling,
    source_box,
    then,
    warps_of,
)

_ROUNDING = 1e-6
"""How far from a whole number a position may be and still count as one."""

_UNCHANGED = 1 + 1e-6
"""The scale up to which a map counts as one that does not enlarge."""


class Lead:
    """What the first transforms do to one sample, asked while its image is decoded: `least_size` for readers.

    Args:
        stages: the transforms that are affine maps, and what they drew.
        one_warp: whether the recipe wants them in one resampling with OpenCV; else those that crop, resize
            and mirror only are looked at.
        defers: whether files that a device can decode are wanted as they are.
    """

    def __init__(self, stages: Sequence[Stage], one_warp: bool, defers: bool = False) -> None:
        self.defers = defers
        self._stages = stages
        self._one_warp = one_warp
        self._size: Size = (0, 0)
        self._warps: list[Warp] = []
        self._box: Box | None = None

    def __call__(self, height: int, width: int) -> Size:
        """How small an image of a size may be decoded: `(height, width)`."""
        self._size, self._box = (height, width), None
        try:
            self._warps = list(
                warps_of(self._stages, self._size) if self._one_warp else _croppings(self._stages, self._size)
            )
        except Exception:  # it will fail alike when it is applied, where the message names it
            self._warps = []
        return least_size(composed(self._warps), self._size) if self._warps else self._size

    def part(self) -> Box | None:
        """The only part of the image just asked about that its first transform looks at: left, top, right and
        bottom, for a reader that hands over no more; None where that is not a whole number of pixels."""
        if not self._one_warp and self._warps:
            self._box = _upright_box(self._warps[0])
        return self._box

    def finish(self, image: Tensor, target: Any) -> tuple[Tensor, Any, int]:
        """Do the transforms' work on an image that was decoded smaller than it is, or in part.

        Returns:
            the image, the target, and how many transforms are done; none, if the image has its full size.
        """
        size = (image.shape[-2], image.shape[-1])
        if self._box is not None:
            return _resized(image, self._warps[0].size), target, 1
        if not self._warps or size == self._size:
            return image, target, 0
        if self._one_warp:
            moved, target = resample(image, target, self._warps, self._size, 0)
        else:
            matrix = then(scaling(size, self._size), composed(self._warps))
            moved = _cropped_and_resized(image, matrix, self._warps[-1].size)
        return moved, target, len(self._warps)


def _croppings(stages: Sequence[Stage], size: Size) -> Iterator[Warp]:
    """What the first transforms do, up to one that turns the image, fills in, or enlarges what was made
    smaller."""
    whole: Matrix = IDENTITY
    for warp in warps_of(stages, size):
        enlarges = max(scales(warp.matrix)) > _UNCHANGED and min(scales(whole)) < 1
        if enlarges or not is_aligned(warp.matrix) or not covers(warp.matrix, size, warp.size):
            return
        yield warp
        whole, size = then(whole, warp.matrix), warp.size


def _upright_box(warp: Warp) -> Box | None:
    """What a map shows of an image that it crops and resizes; None where it mirrors, or cuts pixels."""
    edges = source_box(warp.matrix, warp.size)
    left, top, right, bottom = whole = tuple(map(round, edges))
    off = max(abs(edge - near) for edge, near in zip(edges, whole, strict=True))
    mirrors = warp.matrix[0][0] < 0 or warp.matrix[1][1] < 0
    return None if mirrors or off > _ROUNDING else (left, top, right, bottom)


def _cropped_and_resized(image: Tensor, matrix: Matrix, canvas: Size) -> Tensor:
    """Crop, resize and mirror, to the nearest of the smaller image's pixels."""
    left, top, right, bottom = map(round, source_box(matrix, canvas))
    height, width = max(bottom - top, 1), max(right - left, 1)
    part = _resized(image[..., top : top + height, left : left + width], canvas)
    mirrored = [-1] * (matrix[0][0] < 0) + [-2] * (matrix[1][1] < 0)
    return tv_tensors.wrap(part.flip(mirrored), like=image) if mirrored else part


def _resized(image: Tensor, size: Size) -> Tensor:
    """Resize bilinearly, smoothed where it shrinks; the channels of a pixel stay adjacent in memory.

    What was cut out is copied first: of rows that are adjacent too, that saves more time than it takes.
    """
    batch = image.as_subclass(Tensor).unsqueeze(0).contiguous(memory_format=torch.channels_last)
    resized: Tensor = tv_tensors.Image(F.resize(batch, list(size), antialias=True).squeeze(0))
    return resized
