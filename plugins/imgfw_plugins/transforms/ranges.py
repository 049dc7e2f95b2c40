"""Reading settings that may be one number or several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from imgfw import Interval

if TYPE_CHECKING:
    from imgfw import DatasetInfo

Probability = Annotated[float, Interval(ge=0, le=1)]
MAX_PIXELS_A_SIDE = 16_384
"""Larger images than these are a mistake, or meant to take the machine's memory."""

Side = Annotated[int, Interval(ge=1, le=MAX_PIXELS_A_SIDE)]
Size = Side | tuple[Side, Side]
Range = float | tuple[float, float]
Fill = float | tuple[float, ...]
Margin = Annotated[int, Interval(ge=0, le=MAX_PIXELS_A_SIDE)]
Margins = Margin | tuple[Margin, Margin] | tuple[Margin, Margin, Margin, Margin]
PaddingMode = Literal["constant", "edge", "reflect", "symmetric"]


def ordered(name: str, bounds: tuple[float, float]) -> tuple[float, float]:
    """The bounds of a range.

    Raises:
        ValueError: when the first is above the second.
    """
    low, high = bounds
    if low > high:
        raise ValueError(f"{name} goes from {low:g} to {high:g}; write the smaller number first")
    return low, high


def around(name: str, value: Range, centre: float = 0.0) -> tuple[float, float]:
    """The range that `value` means: one number is a distance to both sides of `centre`, two are its bounds.

    Raises:
        ValueError: for a negative distance, or bounds in the wrong order.
    """
    if isinstance(value, tuple):
        return ordered(name, value)
    if value < 0:
        raise ValueError(f"{name} is {value:g}; a single number is a distance to both sides, so 0 or more")
    return centre - value, centre + value


def height_and_width(size: Size) -> tuple[int, int]:
    """One number is the side of a square."""
    return (size, size) if isinstance(size, int) else size


def left_top_right_bottom(padding: Margins) -> tuple[int, int, int, int]:
    """One number pads all four sides; two pad left and right, then top and bottom."""
    if isinstance(padding, int):
        return padding, padding, padding, padding
    if len(padding) == 2:
        return padding[0], padding[1], padding[0], padding[1]
    return padding


def fill_for(info: DatasetInfo, fill: Fill) -> float | list[float] | None:
    """The fill as torchvision wants it.

    Black is None there: with 0, bilinear resampling darkens the pixels at the image's old border twice.

    Raises:
        ValueError: when there is not one value a channel.
    """
    if not isinstance(fill, tuple):
        return fill or None
    if len(fill) != info.channels:
        raise ValueError(f"fill has {len(fill)} values but the images have {info.channels} channels")
    return list(fill)


def check_padding_mode(info: DatasetInfo, mode: str) -> None:
    """Refuse to mirror or smear images with boxes: the objects would be there twice, with one box.

    Raises:
        ValueError: for such a mode in detection.
    """
    if info.task == "detection" and mode != "constant":
        raise ValueError(f'padding_mode "{mode}" repeats objects without their boxes; use "constant"')
