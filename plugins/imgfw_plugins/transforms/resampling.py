"""Resampling: of whole batches, each sample at positions of its own, and of single samples by torchvision."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from imgfw_plugins.transforms.samples import of_type

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def sampling_grid(x: Any, y: Any, shift: Any, size: tuple[int, int], device: torch.device) -> Tensor:
    """Where each pixel of mapped images comes from, as `grid_sample` wants it: float32 `[B, H, W, 2]`.

    The maps are about the centre, on a canvas of the image's size. Positions are sums of products and not a
    matrix product, so a sample's don't depend on the batch, nor on a GPU's way to multiply matrices.

    Args:
        x, y: the rows of the linear maps from the image to the result: two float64 arrays `[B]` each.
        shift: pixels to the right and down, after that: two such arrays.
        size: the images' height and width.
        device: theirs.
    """
    import numpy as np
    import torch

    (a, b), (c, d), (height, width), (right, down) = x, y, size, shift
    determinant = a * d - b * c
    inverse = np.empty((2, 3, len(a)))
    for row, by_x, by_y, half in ((0, d, -b, width / 2), (1, -c, a, height / 2)):
        scale = determinant * half
        inverse[row] = by_x / scale, by_y / scale, -(by_x * right + by_y * down) / scale
    maps = torch.from_numpy(inverse.astype(np.float32)).to(device, non_blocking=True)
    columns = torch.arange(width, device=device) - (width - 1) / 2
    lines = torch.arange(height, device=device) - (height - 1) / 2
    grid = torch.empty(len(a), height, width, 2, device=device)
    for axis, (by_x, by_y, start) in enumerate(maps.unsqueeze(-1)):
        from_line = (by_y * lines + start).unsqueeze(2)
        torch.add((by_x * columns).unsqueeze(1), from_line, out=grid[..., axis])
    return grid


def resampled(part: Any, grid: Tensor, interpolation: str, fill: Any, ignore_index: int) -> Any:
    """An image, a batch of images, or their masks, at the positions of a grid.

    Args:
        part: the images, or masks, which take the nearest pixel and are filled with the ignore index.
        grid: as of `sampling_grid`; of one image, or a batch.
        interpolation, fill: as for `sampled`.
        ignore_index: of masks.
    """
    from torch import Tensor
    from torchvision import tv_tensors

    images = part.as_subclass(Tensor).reshape(len(grid), -1, *part.shape[-2:])
    if isinstance(part, tv_tensors.Mask):
        interpolation, fill = "nearest", ignore_index
    return of_type(part, sampled(images, grid, interpolation, fill).reshape(part.shape))


def sampled(images: Tensor, grid: Tensor, interpolation: str, fill: Any) -> Tensor:
    """Images at the positions of a grid, with torchvision's arithmetic where they don't cover the canvas.

    Args:
        images: `[B, C, H, W]` of any type.
        grid: as of `sampling_grid`.
        interpolation: `nearest` or `bilinear`.
        fill: value of uncovered pixels, one number or a list of one a channel; None for black.
    """
    import torch
    from torch.nn.functional import grid_sample

    count, channels, *sides = images.shape
    kind = images.dtype if images.is_floating_point() else grid.dtype
    if fill is None:
        work = images.to(kind)
    else:  # one channel more, which tells how far a pixel is covered
        work = images.new_ones(count, channels + 1, *sides, dtype=kind)
        work[:, :channels] = images
    found = grid_sample(work, grid.to(kind), interpolation, "zeros", align_corners=False)
    if fill is not None:
        found, covered = found[:, :channels], found[:, channels:]
        if isinstance(fill, list):
            fill = torch.tensor(fill, dtype=kind).view(-1, 1, 1).to(images.device, non_blocking=True)
        if interpolation == "nearest":
            found = torch.where(covered < 0.5, fill, found)
        else:
            found = (found - fill).mul_(covered).add_(fill)
    return found if images.is_floating_point() else found.round_().to(images.dtype)


def window_weights(start: Tensor, length: Tensor, source: int, size: int, antialias: bool) -> Tensor:
    """The weights that resize a window of a side bilinearly: float32 `[B, size, source]`.

    Args:
        start: the windows' first positions, int64 `[B]`, on the images' device.
        length: their lengths, likewise.
        source: the side's length.
        size: the resized window's length.
        antialias: widen the filter where windows become smaller.
    """
    import torch

    start, length = start.view(-1, 1, 1), length.view(-1, 1, 1)
    scale = length / size
    reach = scale.clamp(min=1.0) if antialias else torch.ones_like(scale)
    middles = (torch.arange(size, device=start.device).view(-1, 1) + 0.5) * scale
    positions = torch.arange(source, device=start.device) - start
    weights = (1 - ((positions + 0.5 - middles) / reach).abs_()).clamp_(min=0)
    weights *= (positions >= 0) & (positions < length)
    return weights.div_(weights.sum(dim=2, keepdim=True))


def multiplied(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Resample the rows and the columns of every image with weights of its own.

    Args:
        images: `[B, C, H, W]`, uint8 or float; so is the result `[B, C, h, w]`.
        rows: `[B, h, H]`.
        columns: `[B, w, W]`.
    """
    import torch

    count, channels, height, _ = images.shape
    lines = images.transpose(1, 2).to(rows.dtype, memory_format=torch.contiguous_format).flatten(1, 2)
    across = torch.bmm(lines, columns.transpose(1, 2)).view(count, height, -1)
    both = torch.bmm(rows, across).view(count, -1, channels, columns.shape[1]).transpose(1, 2)
    return both if images.is_floating_point() else both.round_().to(images.dtype)


def nearest_positions(start: Tensor, length: Tensor, size: int) -> Tensor:
    """The positions that resize windows to the nearest pixel: int64 `[B, size]`.

    Args:
        start, length, size: as for `window_weights`.
    """
    import torch

    start, length = start.unsqueeze(1), length.unsqueeze(1)
    inside = (torch.arange(size, device=start.device) * (length.float() / size)).long()
    return start + inside.minimum(length - 1)


def picked(part: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The pixels of some rows and columns of every sample.

    Args:
        part: images `[B, C, H, W]` or masks `[B, H, W]`.
        rows: int64 `[B, h]`.
        columns: int64 `[B, w]`.
    """
    import torch

    samples = torch.arange(len(part), device=part.device).view(-1, 1, 1)
    at = samples, rows.unsqueeze(2), columns.unsqueeze(1)
    return part[at] if part.ndim == 3 else part.movedim(1, -1)[at].movedim(-1, 1)


def rotated(part: Any, angle: float, interpolation: str, fill: Any) -> Any:
    """Rotate an image, mask or boxes about the centre, counter-clockwise."""
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2 import functional as F

    return F.rotate(part, angle, interpolation=InterpolationMode(interpolation), fill=fill)


def warped(
    part: Any,
    interpolation: str,
    fill: Any,
    *,
    angle: float = 0.0,
    translate: list[int] | None = None,
    scale: float = 1.0,
    shear: list[float] | None = None,
    center: list[float] | None = None,
) -> Any:
    """Map an image, mask or boxes: angles in degrees clockwise, shifts in pixels, about the centre."""
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2 import functional as F

    return F.affine(
        part,
        angle=angle,
        translate=translate or [0, 0],
        scale=scale,
        shear=shear or [0.0, 0.0],
        interpolation=InterpolationMode(interpolation),
        fill=fill,
        center=center,
    )


def shear_angle(slope: float) -> float:
    """The angle in degrees that shears by `slope` pixels a pixel."""
    return math.degrees(math.atan(slope))
