"""Several affine maps of a sample as one resampling, with OpenCV."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from imgfw.contract.errors import UsageError
from imgfw.contract.transform import Matrix, Warp
from imgfw.engine.input.warping import (
    Size,
    composed,
    covers,
    inverse,
    is_aligned,
    merged,
    scales,
    scaling,
    source_box,
    then,
)

Pixels = NDArray[Any]

_WHOLE = 1e-6
"""How far from a whole number a position may be and still count as one."""


@cache
def opencv() -> Any:
    """OpenCV, which leaves the other cores to the other workers.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise UsageError(
            'transforms.warp is "opencv", but OpenCV is not installed.', 'pip install "imgfw[fast]"'
        ) from error
    cv2.setNumThreads(0)
    return cv2


def resample(
    image: Any, target: Any, warps: Sequence[Warp], size: Size, ignore_index: int
) -> tuple[Any, Any]:
    """Apply affine maps to a sample, resampling its image once.

    Images are interpolated bilinearly, and smoothed where they shrink; masks take the nearest pixel. Boxes go
    through the maps one by one, as they do when each is applied alone.

    Args:
        image: `[C, H, W]`, uint8 or float32.
        target: of any task; masks and boxes in it are moved alike.
        warps: in the order of work.
        size: the size that the first map speaks of; the image may have been decoded smaller.
        ignore_index: what a mask becomes where nothing is known.
    """
    pixels = _interleaved(image.as_subclass(torch.Tensor).numpy())
    needed = merged(warps, size)
    whole, canvas = composed(needed), needed[-1].size
    decoded = scaling((pixels.shape[0], pixels.shape[1]), size)
    warped = _image(pixels, then(decoded, whole), canvas, needed[0].fill)
    _fill_uncovered(warped, needed, [warp.fill for warp in needed])
    moved = tv_tensors.Image(torch.from_numpy(warped).permute(2, 0, 1))
    if isinstance(target, tv_tensors.Mask):
        return moved, _mask(target, whole, needed, ignore_index)
    if isinstance(target, dict):
        return moved, _objects(target, warps)
    return moved, target


def _interleaved(planes: Pixels) -> Pixels:
    """`[C, H, W]` as `[H, W, C]`, the channels of a pixel adjacent in memory."""
    pixels = planes.transpose(1, 2, 0)
    return pixels if pixels.flags.c_contiguous else _with_channels(opencv().merge(list(planes)))


def _image(pixels: Pixels, matrix: Matrix, canvas: Size, fill: Any) -> Pixels:
    """Map pixels `[H, W, C]` onto a canvas."""
    cv2 = opencv()
    if is_aligned(matrix) and covers(matrix, (pixels.shape[0], pixels.shape[1]), canvas):
        window = _whole_window(matrix, canvas)
        if window is not None:
            return _resized_window(pixels, window, matrix, canvas)
    pixels, matrix = _shrunk(pixels, matrix, canvas)
    values = tuple(fill) if isinstance(fill, Sequence) else (fill,) * 4
    rgb = pixels.shape[2] == 3
    if rgb:  # of four channels OpenCV interpolates all at once, in less time
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA)
    mapped = cv2.warpAffine(
        pixels, _of_indices(matrix), canvas[::-1], flags=cv2.INTER_LINEAR, borderValue=values
    )
    return cv2.cvtColor(mapped, cv2.COLOR_RGBA2RGB) if rgb else _with_channels(mapped)


def _whole_window(matrix: Matrix, canvas: Size) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of the part that fills the canvas, if they lie between pixels."""
    edges = source_box(matrix, canvas)
    left, top, right, bottom = whole = tuple(round(edge) for edge in edges)
    off = max(abs(edge - near) for edge, near in zip(edges, whole, strict=True))
    return (left, top, right, bottom) if off < _WHOLE else None


def _resized_window(
    pixels: Pixels, window: tuple[int, int, int, int], matrix: Matrix, canvas: Size
) -> Pixels:
    """Crop, resize and mirror."""
    left, top, right, bottom = window
    part = _resized(pixels[top:bottom, left:right], canvas)
    mirrors = tuple(axis for axis in (0, 1) if matrix[1 - axis][1 - axis] < 0)
    return np.flip(part, mirrors).copy() if mirrors or np.shares_memory(part, pixels) else part


def _resized(pixels: Pixels, size: Size) -> Pixels:
    """Resize bilinearly, smoothed where it shrinks: torchvision's way, since OpenCV averages areas slowly."""
    planes = torch.from_numpy(pixels).permute(2, 0, 1)
    resized: Pixels = F.resize(planes, list(size), antialias=True).permute(1, 2, 0).numpy()
    return resized


def _shrunk(pixels: Pixels, matrix: Matrix, canvas: Size) -> tuple[Pixels, Matrix]:
    """Resize until what is left of a map shrinks no more; only the part that is seen.

    Returns:
        the smaller pixels, and the map from them.
    """
    down, across = scales(matrix)
    if down >= 1 and across >= 1:
        return pixels, matrix
    left, top, right, bottom = _seen(matrix, canvas, pixels.shape)
    part = pixels[top:bottom, left:right]
    height, width = part.shape[:2]
    smaller = max(round(height * min(down, 1)), 1), max(round(width * min(across, 1)), 1)
    back = then(scaling(smaller, (height, width)), ((1, 0, left), (0, 1, top)))
    return _resized(part, smaller), then(back, matrix)


def _seen(matrix: Matrix, canvas: Size, shape: Sequence[int]) -> tuple[int, int, int, int]:
    """The part of an image that a canvas shows, with the neighbours that interpolation asks for."""
    left, top, right, bottom = source_box(matrix, canvas)
    down, across = (math.ceil(2 / min(scale, 1)) for scale in scales(matrix))
    first_column = min(max(math.floor(left) - across, 0), shape[1] - 1)
    first_row = min(max(math.floor(top) - down, 0), shape[0] - 1)
    return (
        first_column,
        first_row,
        max(min(math.ceil(right) + across, shape[1]), first_column + 1),
        max(min(math.ceil(bottom) + down, shape[0]), first_row + 1),
    )


def _of_indices(matrix: Matrix) -> NDArray[np.float64]:
    """A map of positions as a map of indices: the first pixel's centre is at 0, not at one half."""
    (a, b, c), (d, e, f) = matrix
    return np.array([(a, b, c + (a + b - 1) / 2), (d, e, f + (d + e - 1) / 2)])


def _with_channels(pixels: Pixels) -> Pixels:
    """OpenCV drops the channels of grey images."""
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def _fill_uncovered(pixels: Pixels, warps: Sequence[Warp], fills: Sequence[Any]) -> None:
    """Fill what later maps don't cover: what an earlier one cut off must not come back."""
    canvas = warps[-1].size
    for number in range(1, len(warps)):
        size, rest = warps[number - 1].size, composed(warps[number:])
        if not covers(rest, size, canvas):
            pixels[~_covered(rest, size, canvas)] = fills[number]


def _covered(matrix: Matrix, size: Size, canvas: Size) -> NDArray[np.bool_]:
    """Which pixels of a canvas an image of a size covers, mapped: bool `[H, W]`."""
    (a, b, c), (d, e, f) = inverse(matrix)
    rows, columns = np.arange(canvas[0])[:, None] + 0.5, np.arange(canvas[1])[None, :] + 0.5
    x, y = a * columns + (b * rows + c), d * columns + (e * rows + f)
    return (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])


def _mask(mask: Any, matrix: Matrix, warps: Sequence[Warp], ignore_index: int) -> Any:
    """Map a mask; uncovered pixels count for nothing."""
    cv2 = opencv()
    indices = mask.as_subclass(torch.Tensor).contiguous().numpy()
    canvas = warps[-1].size
    mapped = cv2.warpAffine(
        indices, _of_indices(matrix), canvas[::-1], flags=cv2.INTER_NEAREST, borderValue=(ignore_index,) * 4
    )
    _fill_uncovered(mapped, warps, [ignore_index] * len(warps))
    return tv_tensors.wrap(torch.from_numpy(mapped), like=mask)


def _objects(target: dict[str, Any], warps: Sequence[Warp]) -> dict[str, Any]:
    """Map boxes; those with a side under one pixel go, with their row of every other entry."""
    boxes = target["boxes"]
    rows = {name: value for name, value in target.items() if name != "boxes"}
    for warp in warps:
        x, y = np.array(warp.matrix)
        left, top, right, bottom = boxes.as_subclass(torch.Tensor).double().unbind(-1)
        corners = [(a, b) for a in (left, right) for b in (top, bottom)]
        across = torch.stack([x[0] * a + x[1] * b + x[2] for a, b in corners])
        down = torch.stack([y[0] * a + y[1] * b + y[2] for a, b in corners])
        edges = [across.amin(0), down.amin(0), across.amax(0), down.amax(0)]
        hull = torch.stack(edges, dim=-1).to(boxes.dtype)
        moved = tv_tensors.BoundingBoxes(hull, format="XYXY", canvas_size=warp.size)
        kept, keep = F.sanitize_bounding_boxes(F.clamp_bounding_boxes(moved))
        boxes = tv_tensors.wrap(kept, like=moved)
        rows = {name: value[keep] for name, value in rows.items()}
    return {**rows, "boxes": boxes}
