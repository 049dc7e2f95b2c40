"""Flips, rotation and affine maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from imgfw import Transform, Warp, about

from imgfw_plugins.transforms.ranges import Fill, Probability, Range, around, fill_for, ordered
from imgfw_plugins.transforms.samples import Row, fill_of, move, select

if TYPE_CHECKING:
    from imgfw import DatasetInfo, Keys
    from torch import Tensor

Resampling = Literal["nearest", "bilinear"]


class RandomHorizontalFlip(Transform):
    """Mirror left and right, with a probability.

    Args:
        p: the probability.
    """

    any_scale = True

    def __init__(self, *, p: Probability = 0.5) -> None:
        self.p = p

    def draw(self, keys: Keys) -> Row:
        return {"flip": keys.bernoulli(self.p)}

    def apply(self, image: Tensor, target: Any, parameters: Row) -> tuple[Tensor, Any]:
        from torchvision.transforms.v2 import functional as F

        return move(F.horizontal_flip, image, target) if parameters["flip"] else (image, target)

    def apply_batch(self, images: Tensor, targets: Any, parameters: Row) -> tuple[Tensor, Any]:
        return move(lambda part: select(parameters["flip"], part.flip(-1), part), images, targets)

    def warp(self, height: int, width: int, parameters: Row) -> Warp:
        x = (-1, 0, width) if parameters["flip"] else (1, 0, 0)
        return Warp((x, (0, 1, 0)), (height, width))


class RandomVerticalFlip(Transform):
    """Mirror top and bottom, with a probability.

    Args:
        p: the probability.
    """

    any_scale = True

    def __init__(self, *, p: Probability = 0.5) -> None:
        self.p = p

    def draw(self, keys: Keys) -> Row:
        return {"flip": keys.bernoulli(self.p)}

    def apply(self, image: Tensor, target: Any, parameters: Row) -> tuple[Tensor, Any]:
        from torchvision.transforms.v2 import functional as F

        return move(F.vertical_flip, image, target) if parameters["flip"] else (image, target)

    def apply_batch(self, images: Tensor, targets: Any, parameters: Row) -> tuple[Tensor, Any]:
        return move(lambda part: select(parameters["flip"], part.flip(-2), part), images, targets)

    def warp(self, height: int, width: int, parameters: Row) -> Warp:
        y = (0, -1, height) if parameters["flip"] else (0, 1, 0)
        return Warp(((1, 0, 0), y), (height, width))


@about(example={"degrees": 30})
class RandomRotation(Transform):
    """Rotate about the centre by a random angle; the image keeps its size.

    Args:
        degrees: one number for angles from minus to plus that number, or `[min, max]`; counter-clockwise.
        interpolation: how the image is resampled; masks always with `nearest`.
        fill: value of uncovered pixels, one number or one a channel; in a mask they become the ignore index.

    Raises:
        ValueError: for a range or a fill that cannot be.
    """

    def __init__(
        self, info: DatasetInfo, *, degrees: Range, interpolation: Resampling = "nearest", fill: Fill = 0.0
    ) -> None:
        self.degrees = around("degrees", degrees)
        self.interpolation = interpolation
        self.fill = fill_for(info, fill)
        self.ignore_index = info.ignore_index

    def draw(self, keys: Keys) -> Row:
        return {"angle": keys.uniform(*self.degrees)}

    def apply(self, image: Tensor, target: Any, parameters: Row) -> tuple[Tensor, Any]:
        angle = float(parameters["angle"])
        return move(
            lambda part: rotated(
                part, angle, self.interpolation, fill_of(part, self.fill, self.ignore_index)
            ),
            image,
            target,
        )

    def warp(self, height: int, width: int, parameters: Row) -> Warp:
        angle = math.radians(float(parameters["angle"]))
        cos, sin = math.cos(angle), math.sin(angle)
        return about_centre((cos, sin), (-sin, cos), (0, 0), height, width, self.fill)


def about_centre(
    x: tuple[float, float],
    y: tuple[float, float],
    shift: Sequence[float],
    height: int,
    width: int,
    fill: Any,
) -> Warp:
    """A linear map about the image's centre, then a shift `(across, down)`, on a canvas of the image's size.

    Args:
        x, y: the rows of the linear map.
        shift: in pixels.
        height, width: the image's size.
        fill: value of uncovered pixels, None for black.
    """
    across, down = width / 2, height / 2
    left = across + shift[0] - x[0] * across - x[1] * down
    top = down + shift[1] - y[0] * across - y[1] * down
    return Warp(((*x, left), (*y, top)), (height, width), fill or 0.0)


def rotated(part: Any, angle: float, interpolation: str, fill: Any) -> Any:
    """Rotate an image, mask or boxes about the centre, counter-clockwise."""
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2 import functional as F

    return F.rotate(part, angle, interpolation=InterpolationMode(interpolation), fill=fill)


@about(example={"degrees": 15, "translate": [0.1, 0.1], "scale": [0.9, 1.1], "shear": 5})
class RandomAffine(Transform):
    """Rotate, shift, scale and shear in one resampling; the image keeps its size.

    Args:
        degrees: rotation: one number for angles from minus to plus that number, or `[min, max]`; clockwise,
            as in torchvision.
        translate: the largest shifts, as shares of the width and of the height, each from 0 to 1.
        scale: range of the scale factor, above 0.
        shear: angles in degrees: one number or `[min, max]` for shear along x, or
            `[min_x, max_x, min_y, max_y]`.
        interpolation: how the image is resampled; masks always with `nearest`.
        fill: value of uncovered pixels, one number or one a channel; in a mask they become the ignore index.

    Raises:
        ValueError: for a range or a fill that cannot be.
    """

    def __init__(
        self,
        info: DatasetInfo,
        *,
        degrees: Range,
        translate: tuple[Probability, Probability] = (0.0, 0.0),
        scale: tuple[float, float] = (1.0, 1.0),
        shear: float | tuple[float, float] | tuple[float, float, float, float] = 0.0,
        interpolation: Resampling = "nearest",
        fill: Fill = 0.0,
    ) -> None:
        self.degrees = around("degrees", degrees)
        self.translate = translate
        self.scale = ordered("scale", scale)
        if scale[0] <= 0:
            raise ValueError(f"scale starts at {scale[0]:g}, but a scale factor is above 0")
        along_x, along_y = (
            (shear[:2], shear[2:]) if isinstance(shear, tuple) and len(shear) == 4 else (shear, 0.0)
        )
        self.shear_x, self.shear_y = around("shear", along_x), around("shear", along_y)
        self.interpolation = interpolation
        self.fill = fill_for(info, fill)
        self.ignore_index = info.ignore_index

    def draw(self, keys: Keys) -> Row:
        return {
            "angle": keys.uniform(*self.degrees),
            "shift": keys.uniform(-1.0, 1.0, count=2),
            "scale": keys.uniform(*self.scale),
            "shear_x": keys.uniform(*self.shear_x),
            "shear_y": keys.uniform(*self.shear_y),
        }

    def apply(self, image: Tensor, target: Any, parameters: Row) -> tuple[Tensor, Any]:
        settings = {
            "angle": float(parameters["angle"]),
            "translate": self._shift(image.shape[-2], image.shape[-1], parameters),
            "scale": float(parameters["scale"]),
            "shear": [float(parameters["shear_x"]), float(parameters["shear_y"])],
        }
        return move(
            lambda part: warped(
                part, self.interpolation, fill_of(part, self.fill, self.ignore_index), **settings
            ),
            image,
            target,
        )

    def warp(self, height: int, width: int, parameters: Row) -> Warp:
        angle, scale = math.radians(float(parameters["angle"])), float(parameters["scale"])
        shear_x = math.radians(float(parameters["shear_x"]))
        shear_y = math.radians(float(parameters["shear_y"]))
        cos, sin = (
            math.cos(angle - shear_y) / math.cos(shear_y),
            math.sin(angle - shear_y) / math.cos(shear_y),
        )
        slope = math.tan(shear_x)
        return about_centre(
            (scale * cos, scale * (-cos * slope - math.sin(angle))),
            (scale * sin, scale * (-sin * slope + math.cos(angle))),
            self._shift(height, width, parameters),
            height,
            width,
            self.fill,
        )

    def _shift(self, height: int, width: int, parameters: Row) -> list[int]:
        """Pixels to the right and down."""
        across, down = parameters["shift"].tolist()
        return [round(across * self.translate[0] * width), round(down * self.translate[1] * height)]


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
