"""Drawing pictures of shapes.

All numbers come from counter-based generators keyed by split and index, so that a picture does not depend on
how many others are drawn. Imported only when something is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from imgfw import Keys

SMALL = (0.1, 0.22)
LARGE = (0.18, 0.38)
"""The least and the largest half-width of a shape, as shares of the picture's width."""

_SEED = 1729
_TRIES = 8
_MOST_HIDDEN = 0.25
_NOISE = 24
_CHUNK = 1024
"""Pictures drawn at a time, which bounds the memory that the noise takes."""


@dataclass(frozen=True)
class Scenes:
    """Pictures and what they show.

    Attributes:
        images: uint8 `[N, 3, H, W]`.
        masks: uint8 `[N, H, W]`: 0 for the ground, shape index + 1 for the uppermost shape.
        boxes: float32 `[N, K, 4]`, XYXY in pixels, around the whole shape.
        labels: int64 `[N, K]`: the shape index; -1 where a picture has fewer than K shapes.
    """

    images: torch.Tensor
    masks: torch.Tensor
    boxes: torch.Tensor
    labels: torch.Tensor


def draw_scenes(
    split: int, count: int, image_size: int, max_shapes: int, radii: tuple[float, float]
) -> Scenes:
    """Draw the pictures of a split.

    Args:
        split: a number for the split.
        count: how many pictures.
        image_size: height and width in pixels.
        max_shapes: each picture has from 1 to this many shapes.
        radii: least and largest half-width of a shape, as shares of the picture's width.
    """
    keys = Keys.of_samples(_SEED, split, range(count))
    ground, colours = _draw_colours(keys.fold(0), max_shapes)
    kinds, centres, radius = _draw_places(keys.fold(1), image_size, max_shapes, radii)
    images = np.empty((count, 3, image_size, image_size), np.uint8)
    images[:] = ground[:, :, None, None]
    masks = np.zeros((count, image_size, image_size), np.uint8)
    boxes = np.zeros((count, max_shapes, 4), np.float32)
    for picture, shape in np.argwhere(kinds >= 0):
        kind = kinds[picture, shape]
        inside = _inside(kind, *centres[picture, shape], radius[picture, shape], image_size)
        images[picture][:, inside] = colours[picture, shape][:, None]
        masks[picture][inside] = kind + 1
        boxes[picture, shape] = _box_around(inside)
    _add_noise(images, split)
    return Scenes(*map(torch.from_numpy, (images, masks, boxes, kinds)))


def _draw_colours(keys: Keys, max_shapes: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a ground colour a picture, and for each shape one that differs from it in every channel."""
    ground = keys.uniform(count=3).numpy()
    offsets = keys.uniform(0.3, 0.7, count=3 * max_shapes).numpy().reshape(-1, max_shapes, 3)
    # A step of 0.3 to 0.7 round a circle of length 1 ends at least 0.3 away from where it began.
    colours = (ground[:, None] + offsets) % 1
    return (ground * 255).astype(np.uint8), (colours * 255).astype(np.uint8)


def _draw_places(
    keys: Keys, image_size: int, max_shapes: int, radii: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw kinds `[N, K]` (-1 for none), centres `[N, K, 2]` and half-widths `[N, K]`, in pixels.

    A shape that finds no place in several tries, because it would hide or be hidden too much, is left out.
    """
    wanted = 1 + keys.integers(max_shapes).numpy()
    kinds = keys.integers(3, count=max_shapes).numpy()
    kinds[np.arange(max_shapes) >= wanted[:, None]] = -1
    radius = keys.uniform(*radii, count=max_shapes).numpy() * image_size
    shares = keys.uniform(count=max_shapes * _TRIES * 2).numpy().reshape(-1, max_shapes, _TRIES, 2)
    tries = radius[..., None, None] + shares * (image_size - 2 * radius[..., None, None])
    centres = tries[:, :, 0].copy()
    for shape in range(1, max_shapes):
        hidden = _overlap(tries[:, shape], radius[:, shape], centres[:, :shape], radius[:, :shape])
        hidden[np.broadcast_to(kinds[:, None, :shape] < 0, hidden.shape)] = 0
        fits = hidden.max(axis=2) <= _MOST_HIDDEN
        centres[:, shape] = tries[np.arange(len(tries)), shape, fits.argmax(axis=1)]
        kinds[~fits.any(axis=1), shape] = -1
    return kinds, centres, radius


def _overlap(
    centres: np.ndarray, radius: np.ndarray, other_centres: np.ndarray, other_radius: np.ndarray
) -> np.ndarray:
    """The share of the smaller square in the larger, for `[N, T]` squares against `[N, K]`: `[N, T, K]`."""
    distance = np.abs(centres[:, :, None] - other_centres[:, None])
    reach = (radius[:, None] + other_radius)[:, None, :, None]
    smaller = 2 * np.minimum(radius[:, None], other_radius)[:, None, :, None]
    return np.clip(reach - distance, 0, smaller).prod(axis=3) / smaller[..., 0] ** 2


def _inside(kind: int, x: float, y: float, radius: float, image_size: int) -> np.ndarray:
    """Which pixels have their centre in a shape: bool `[H, W]`."""
    middle = np.arange(image_size, dtype=np.float32) + np.float32(0.5)
    across, down = np.abs(middle - x)[None], (middle - y)[:, None]
    if kind == 0:
        return across**2 + down**2 <= radius**2
    if kind == 1:
        return (across <= radius) & (np.abs(down) <= radius)
    return (across <= (down + radius) / 2) & (np.abs(down) <= radius)


def _box_around(inside: np.ndarray) -> tuple[int, int, int, int]:
    """The smallest box around the pixels of a shape: its edges run between pixels."""
    columns, rows = np.flatnonzero(inside.any(axis=0)), np.flatnonzero(inside.any(axis=1))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def _add_noise(images: np.ndarray, split: int) -> None:
    """Add uniform noise to every pixel, in place."""
    numbers = images[0].size
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        keys = Keys.of_samples(_SEED, split, range(start, start + len(chunk))).fold(2)
        noise = keys.bits(count=-(-numbers // 8)).view(np.uint8)[:, :numbers].astype(np.int16)
        noise = (noise * (2 * _NOISE + 1) >> 8) - _NOISE
        chunk[:] = np.clip(chunk + noise.reshape(chunk.shape), 0, 255)
