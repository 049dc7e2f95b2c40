"""Affine maps one after the other, as one map: the arithmetic that decoding and resampling share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce

from imgfw.contract.transform import Matrix, Parameters, Transform, Warp

Size = tuple[int, int]
"""Height and width."""

Stage = tuple[Transform, Parameters]
"""A transform, and what it drew for a sample."""

IDENTITY: Matrix = ((1, 0, 0), (0, 1, 0))

_ROUNDING = 1e-6
"""Of positions, in pixels."""


def warps_of(stages: Iterable[Stage], size: Size) -> Iterator[Warp]:
    """What transforms do to an image of a size, one after the other."""
    for transform, parameters in stages:
        warp = transform.warp(*size, parameters)
        yield warp
        size = warp.size


def then(first: Matrix, second: Matrix) -> Matrix:
    """The map that is one after the other."""
    (a, b, c), (d, e, f) = first
    (p, q, r), (s, t, u) = second
    return (
        (p * a + q * d, p * b + q * e, p * c + q * f + r),
        (s * a + t * d, s * b + t * e, s * c + t * f + u),
    )


def composed(warps: Iterable[Warp]) -> Matrix:
    """The map of all warps together."""
    return reduce(then, (warp.matrix for warp in warps), IDENTITY)


def scaling(actual: Size, stated: Size) -> Matrix:
    """The map of an image at one size onto the same image at another."""
    return ((stated[1] / actual[1], 0, 0), (0, stated[0] / actual[0], 0))


def inverse(matrix: Matrix) -> Matrix:
    """The map back."""
    (a, b, c), (d, e, f) = matrix
    determinant = a * e - b * d
    a, b, d, e = e / determinant, -b / determinant, -d / determinant, a / determinant
    return (a, b, -a * c - b * f), (d, e, -d * c - e * f)


def scales(matrix: Matrix) -> tuple[float, float]:
    """How many pixels a step of one pixel down, and one across, becomes."""
    (a, b, _), (d, e, _) = matrix
    return math.hypot(b, e), math.hypot(a, d)


def least_size(matrix: Matrix, size: Size) -> Size:
    """How small an image may be before a map of it has to enlarge it."""
    down, across = scales(matrix)
    return math.ceil(size[0] * down), math.ceil(size[1] * across)


def is_aligned(matrix: Matrix) -> bool:
    """Whether rows stay rows: the map crops, resizes and mirrors only."""
    return not (matrix[0][1] or matrix[1][0])


def source_box(matrix: Matrix, canvas: Size) -> tuple[float, float, float, float]:
    """The box that holds all of which a canvas shows: left, top, right, bottom in the source's pixels."""
    (a, b, c), (d, e, f) = inverse(matrix)
    height, width = canvas
    x = [c, c + a * width, c + b * height, c + a * width + b * height]
    y = [f, f + d * width, f + e * height, f + d * width + e * height]
    return min(x), min(y), max(x), max(y)


def covers(matrix: Matrix, size: Size, canvas: Size) -> bool:
    """Whether an image of a size, mapped, covers all of a canvas."""
    left, top, right, bottom = source_box(matrix, canvas)
    return min(left, top) >= -_ROUNDING and right <= size[1] + _ROUNDING and bottom <= size[0] + _ROUNDING


def merged(warps: Sequence[Warp], size: Size) -> list[Warp]:
    """The same maps, those that put an image exactly onto their canvas made one with a neighbour.

    What is left has one fill for each place where something can be uncovered or cut off.

    Args:
        warps: in the order of work.
        size: the image's.
    """
    result: list[Warp] = []
    pending: Matrix = IDENTITY
    for warp in warps:
        pending = then(pending, warp.matrix)
        if not (covers(warp.matrix, size, warp.size) and covers(inverse(warp.matrix), warp.size, size)):
            result.append(Warp(pending, warp.size, warp.fill))
            pending = IDENTITY
        size = warp.size
    if not result:
        return [Warp(pending, size)]
    if pending != IDENTITY:
        last = result.pop()
        result.append(Warp(then(last.matrix, pending), size, last.fill))
    return result
