"""Decoding images no larger than their first transforms need them.

Crops and resizings are affine maps, known before the image is: from the size in its header follows how much
of it survives. An image that comes smaller than it is goes through those transforms as one, at the places
that they choose in the whole image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from imgfw.contract.transform import Matrix, Warp
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

_UNCHANGED = 1 + 1e-6
"""The scale up to which a map counts as one that does not enlarge."""


class Lead:
    """What the first transforms do to one sample, asked while its image is decoded: `least_size` for readers.

    Args:
        stages: the transforms that are affine maps, and what they drew.
        one_warp: whether the recipe wants them in one resampling with OpenCV; else those that crop, resize
            and mirror only are looked at.
    """

    def __init__(self, stages: Sequence[Stage], one_warp: bool) -> None:
        self._stages = stages
        self._one_warp = one_warp
        self._size: Size = (0, 0)
        self._warps: list[Warp] = []

    def __call__(self, height: int, width: int) -> Size:
        """How small an image of a size may be decoded: `(height, width)`."""
        self._size = (height, width)
        try:
            self._warps = list(
                warps_of(self._stages, self._size) if self._one_warp else _croppings(self._stages, self._size)
            )
        except Exception:  # it will fail alike when it is applied, where the message names it
            self._warps = []
        return least_size(composed(self._warps), self._size) if self._warps else self._size

    def finish(self, image: Tensor, target: Any) -> tuple[Tensor, Any, int]:
        """Do the transforms' work on an image that was decoded smaller than it is.

        Returns:
            the image, the target, and how many transforms are done; none, if the image has its full size.
        """
        size = (image.shape[-2], image.shape[-1])
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


def _cropped_and_resized(image: Tensor, matrix: Matrix, canvas: Size) -> Tensor:
    """Crop, resize and mirror, to the nearest of the smaller image's pixels."""
    left, top, right, bottom = map(round, source_box(matrix, canvas))
    height, width = max(bottom - top, 1), max(right - left, 1)
    part: Tensor = F.resized_crop(image, top, left, height, width, list(canvas), antialias=True)
    mirrored = [-1] * (matrix[0][0] < 0) + [-2] * (matrix[1][1] < 0)
    return tv_tensors.wrap(part.flip(mirrored), like=image) if mirrored else part
