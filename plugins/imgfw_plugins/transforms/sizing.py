"""Resizing and padding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from imgfw import Transform, Warp, about

from imgfw_plugins.transforms.ranges import (
    Fill,
    Margins,
    PaddingMode,
    Size,
    check_padding_mode,
    fill_for,
    left_top_right_bottom,
)
from imgfw_plugins.transforms.samples import Row, fill_of, move

if TYPE_CHECKING:
    from imgfw import DatasetInfo
    from torch import Tensor

Interpolation = Literal["nearest", "bilinear", "bicubic"]
HeightWidth = tuple[int, int]


def _resized_size(size: HeightWidth | None, settings: Any) -> HeightWidth | None:
    if not isinstance(settings.size, int):
        return tuple(settings.size)
    if size is None:
        return None
    height, width = size
    if height <= width:
        return settings.size, int(settings.size * width / height)
    return int(settings.size * height / width), settings.size


@about(example={"size": [32, 32]}, output_size=_resized_size)
class Resize(Transform):
    """Resize to a height and width, or the shorter side to a length.

    Args:
        size: `[height, width]` in pixels, or one number for the shorter side, which keeps the proportions.
        interpolation: how the image is resampled; masks always with `nearest`.
        antialias: smooth while making images smaller.
    """

    any_scale = True

    def __init__(
        self, *, size: Size, interpolation: Interpolation = "bilinear", antialias: bool = True
    ) -> None:
        self.size = size
        self.interpolation = interpolation
        self.antialias = antialias

    def apply(self, image: Tensor, target: Any, parameters: Row) -> tuple[Tensor, Any]:
        return move(self._resized, image, target)

    def apply_batch(self, images: Tensor, targets: Any, parameters: Row) -> tuple[Tensor, Any]:
        return move(self._resized, images, targets)

    def is_warp(self) -> bool:
        return self.interpolation == "bilinear" and self.antialias

    def warp(self, height: int, width: int, parameters: Row) -> Warp:
        size = _resized_size((height, width), self)
        assert size is not None
        return Warp(((size[1] / width, 0, 0), (0, size[0] / height, 0)), size)

    def _resized(self, part: Any) -> Any:
        from torchvision.transforms import InterpolationMode
        from torchvision.transforms.v2 import functional as F

        mode = InterpolationMode(self.interpolation)
        size = [self.size] if isinstance(self.size, int) else list(self.size)
        return F.resize(part, size, interpolation=mode, antialias=self.antialias)


def _padded_size(size: HeightWidth | None, settings: Any) -> HeightWidth | None:
    if size is None:
        return None
    left, top, right, bottom = left_top_right_bottom(settings.padding)
    return size[0] + top + bottom, size[1] + left + right


@about(example={"padding": 4}, output_size=_padded_size)
class Pad(Transform):
    """Add pixels on the sides.

    Args:
        padding: pixels on every side, `[left and right, top and bottom]`, or `[left, top, right, bottom]`.
        fill: value of the new pixels, one number or one a channel; in a mask they become the ignore index.
        padding_mode: `constant` uses `fill`; `edge` repeats the border; `reflect` and `symmetric` mirror the
            image without and with its border, masks alike.

    Raises:
        ValueError: for a fill that cannot be, or a mode that boxes don't allow.
    """

    def __init__(
        self,
        info: DatasetInfo,
        *,
        padding: Margins,
        fill: Fill = 0.0,
        padding_mode: PaddingMode = "constant",
    ) -> None:
        check_padding_mode(info, padding_mode)
        self.padding = left_top_right_bottom(padding)
        self.fill = fill_for(info, fill)
        self.padding_mode = padding_mode
        self.ignore_index = info.ignore_index

    def apply(self, image: Tensor, target: Any, parameters: Row) -> tuple[Tensor, Any]:
        return move(self._padded, image, target)

    def apply_batch(self, images: Tensor, targets: Any, parameters: Row) -> tuple[Tensor, Any]:
        return move(self._padded, images, targets)

    def is_warp(self) -> bool:
        return self.padding_mode == "constant"

    def warp(self, height: int, width: int, parameters: Row) -> Warp:
        left, top, right, bottom = self.padding
        size = (height + top + bottom, width + left + right)
        return Warp(((1, 0, left), (0, 1, top)), size, self.fill or 0.0)

    def _padded(self, part: Any) -> Any:
        return padded(part, self.padding, fill_of(part, self.fill, self.ignore_index), self.padding_mode)


def padded(part: Any, padding: tuple[int, int, int, int], fill: Any, mode: str = "constant") -> Any:
    """Pad an image, mask or boxes by `(left, top, right, bottom)` pixels."""
    from torchvision.transforms.v2 import functional as F

    return F.pad(part, list(padding), fill=fill, padding_mode=mode) if any(padding) else part
