"""Where transforms work: on single samples, in the workers, up to a place, and on batches from there on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

from imgfw.contract.errors import UsageError
from imgfw.contract.random import Keys
from imgfw.contract.transform import Transform
from imgfw.recipe.nodes import Node

Sample = tuple[Any, Any]
AnyTransform = Transform | Callable[[Any, Any], Sample]
Size = tuple[int, int]

_LARGE = 1 << 15
"""A side that any crop fits into."""


def first_on_batches(
    transforms: Sequence[AnyTransform],
    in_batches: bool,
    *,
    one_warp: bool,
    device_type: str,
    one_size_from: int | None,
) -> int:
    """The position of the first transform that works on batches.

    Data that comes in batches is kept in batches as early as every following transform can and wants. Data
    that comes one by one stays so on a CPU as long as the transforms can; on another device it becomes a
    batch as soon as the images have one size.

    Args:
        transforms: in the order of work.
        in_batches: whether the data comes in batches.
        one_warp: whether affine maps are done with OpenCV, which works on samples; flips and crops alone need
            it not.
        device_type: where batches are.
        one_size_from: the position from which on all images have one size; None where that is not known.

    Raises:
        UsageError: a transform for samples only stands after one for batches only.
    """
    latest = _latest_on_batches(transforms)
    if device_type != "cpu" and one_size_from is not None and not in_batches:
        start = max(one_size_from, _earliest_on_batches(transforms, device_type))
    else:
        start = _earliest_on_batches(transforms, device_type) if in_batches else latest
    if one_warp:
        resampling = [position for position, item in enumerate(transforms) if _resamples(item)]
        start = max([start, *(position + 1 for position in resampling)])
    return min(start, latest)


def _latest_on_batches(transforms: Sequence[AnyTransform]) -> int:
    """The position of the first transform that cannot work on samples.

    Raises:
        UsageError: one that cannot work on batches stands after it.
    """
    first: Transform | None = None
    latest = len(transforms)
    for position, item in enumerate(transforms):
        if first is not None and not works_on_batches(item):
            raise UsageError(
                f"The transform {name_of(item)} works on single samples, but stands after {name_of(first)}, "
                "which works on batches.",
                "Put it earlier in the list.",
            )
        if first is None and isinstance(item, Transform) and not item.works_on_samples():
            first, latest = item, position
    return latest


def _earliest_on_batches(transforms: Sequence[AnyTransform], device_type: str) -> int:
    """The position from which on every transform can work on batches, and those that have both want to."""
    start = len(transforms)
    while start and _takes_batches(transforms[start - 1], device_type):
        start -= 1
    return start


def _takes_batches(item: AnyTransform, device_type: str) -> bool:
    if not works_on_batches(item):
        return False
    return item.prefers_batches(device_type) or not item.works_on_samples()


def _resamples(item: AnyTransform) -> bool:
    """Whether an affine map puts pixels between pixels, as one of a large image shows."""
    if not is_warp(item):
        return False
    row = {name: value[0] for name, value in item.draw(Keys.of_samples(0, 0, [0])).items()}
    matrix = item.warp(_LARGE, _LARGE, row).matrix
    return not all(float(number).is_integer() for numbers in matrix for number in numbers)


def one_size_from(nodes: Sequence[Node], transforms: Sequence[AnyTransform], size: Size | None) -> int | None:
    """The position from which on all images have one size: after the first transform that makes them so.

    Where none does, at once if they come so. Crops and resizings of files are left to the workers, which
    decode no more than those need.

    Args:
        nodes: what the recipe says of the transforms.
        transforms: the same, built.
        size: the height and width that all images of the data have; None where they differ.
    """
    now = size
    for position, (node, item) in enumerate(zip(nodes, transforms, strict=True)):
        output_size = node.provider.about.output_size
        if output_size is not None:
            now = output_size(now, node.settings)
            if now is not None:
                return position + 1
        elif not works_on_batches(item):
            now = None  # it may change the size without having said so
    return None if size is None else 0


def name_of(transform: Any) -> str:
    """What errors call a transform."""
    return getattr(transform, "__name__", type(transform).__name__)


def works_on_batches(transform: Any) -> TypeGuard[Transform]:
    """Whether a transform can work on batches; a foreign one cannot."""
    return isinstance(transform, Transform) and transform.works_on_batches()


def is_warp(transform: Any) -> TypeGuard[Transform]:
    """Whether a transform is an affine map that OpenCV can join with its neighbours."""
    return isinstance(transform, Transform) and transform.works_on_samples() and transform.is_warp()
