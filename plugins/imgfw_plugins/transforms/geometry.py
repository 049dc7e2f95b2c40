"""Flips, rotation and affine maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from imgfw import Transform, Warp, about

from imgfw_plugins.transforms.ranges import Fill, Probability, Range, around, fill_for, ordered
from imgfw_plugins.transforms.resampling import resampled, rotated, sampling_grid, warped
from imgfw_plugins.transforms.samples import Row, in_pieces, move, select

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


class _AboutCentre(Transform):
    """Base of linear maps about the centre with a shift after them, on a canvas of the image's size.

    A sample is a batch of one, so both stages make the same images.
    """

    host_parameters = True

    def __init__(self, info: DatasetInfo, interpolation: Resampling, fill: Fill) -> None:
        self.interpolation = interpolation
        self.fill = fill_for(info, fill)
        self.ignore_index = info.ignore_index

    def rows(self, functions: Any, numbers: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        """The rows of the linear maps.

        Args:
            functions: `math` or NumPy.
            numbers: what was drawn: floats, or float64 arrays `[B]`.
        """
        raise NotImplementedError

    def shifts(self, height: int, width: int, numbers: Any) -> tuple[Any, Any]:
        """Pixels to the right and down, after that."""
        return 0, 0

    def move_boxes(self, boxes: Any, parameters: Row) -> Any:
        """Move the boxes of one sample."""
        raise NotImplementedError

    def apply(self, image: Tensor, target: Any, parameters: Row) -> tuple[Tensor, Any]:
        from torchvision import tv_tensors

        grid = self._grid(image, {name: value.unsqueeze(0) for name, value in parameters.items()})

        def change(part: Any) -> Any:
            if isinstance(part, tv_tensors.BoundingBoxes):
                return self.move_boxes(part, parameters)
            return self._resampled(part, grid)

        return move(change, image, target)

    def apply_batch(self, images: Tensor, targets: Any, parameters: Row) -> tuple[Tensor, Any]:
        return in_pieces(self._moved, images, targets, parameters)

    def _moved(self, images: Tensor, targets: Any, parameters: Row) -> tuple[Tensor, Any]:
        grid = self._grid(images, parameters)
        return move(lambda part: self._resampled(part, grid), images, targets)

    def warp(self, height: int, width: int, parameters: Row) -> Warp:
        numbers = {name: value.tolist() for name, value in parameters.items()}
        x, y = self.rows(math, numbers)
        shift = [float(pixels) for pixels in self.shifts(height, width, numbers)]
        return about_centre(x, y, shift, height, width, self.fill)

    def _grid(self, images: Tensor, parameters: Row) -> Tensor:
        import numpy as np

        height, width = images.shape[-2:]
        numbers = {name: value.double().cpu().numpy().T for name, value in parameters.items()}
        shift = self.shifts(height, width, numbers)
        return sampling_grid(*self.rows(np, numbers), shift, (height, width), images.device)

    def _resampled(self, part: Any, grid: Tensor) -> Any:
        return resampled(part, grid, self.interpolation, self.fill, self.ignore_index)


@about(example={"degrees": 30})
class RandomRotation(_AboutCentre):
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
        super().__init__(info, interpolation, fill)
        self.degrees = around("degrees", degrees)

    def draw(self, keys: Keys) -> Row:
        return {"angle": keys.uniform(*self.degrees)}

    def rows(self, functions: Any, numbers: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        angle = functions.radians(numbers["angle"])
        cos, sin = functions.cos(angle), functions.sin(angle)
        return (cos, sin), (-sin, cos)

    def move_boxes(self, boxes: Any, parameters: Row) -> Any:
        return rotated(boxes, float(parameters["angle"]), self.interpolation, None)


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


@about(example={"degrees": 15, "translate": [0.1, 0.1], "scale": [0.9, 1.1], "shear": 5})
class RandomAffine(_AboutCentre):
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
        super().__init__(info, interpolation, fill)
        self.degrees = around("degrees", degrees)
        self.translate = translate
        self.scale = ordered("scale", scale)
        if scale[0] <= 0:
            raise ValueError(f"scale starts at {scale[0]:g}, but a scale factor is above 0")
        along_x, along_y = (
            (shear[:2], shear[2:]) if isinstance(shear, tuple) and len(shear) == 4 else (shear, 0.0)
        )
        self.shear_x, self.shear_y = around("shear", along_x), around("shear", along_y)

    def draw(self, keys: Keys) -> Row:
        return {
            "angle": keys.uniform(*self.degrees),
            "shift": keys.uniform(-1.0, 1.0, count=2),
            "scale": keys.uniform(*self.scale),
            "shear_x": keys.uniform(*self.shear_x),
            "shear_y": keys.uniform(*self.shear_y),
        }

    def rows(self, functions: Any, numbers: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        angle, scale = functions.radians(numbers["angle"]), numbers["scale"]
        shear_y = functions.radians(numbers["shear_y"])
        slope = functions.tan(functions.radians(numbers["shear_x"]))
        cos = functions.cos(angle - shear_y) / functions.cos(shear_y)
        sin = functions.sin(angle - shear_y) / functions.cos(shear_y)
        return (
            (scale * cos, scale * (-cos * slope - functions.sin(angle))),
            (scale * sin, scale * (-sin * slope + functions.cos(angle))),
        )

    def shifts(self, height: int, width: int, numbers: Any) -> tuple[Any, Any]:
        import numpy as np

        across, down = numbers["shift"]
        return np.rint(across * self.translate[0] * width), np.rint(down * self.translate[1] * height)

    def move_boxes(self, boxes: Any, parameters: Row) -> Any:
        shift = self.shifts(*boxes.canvas_size, {"shift": parameters["shift"].tolist()})
        return warped(
            boxes,
            self.interpolation,
            None,
            angle=float(parameters["angle"]),
            translate=[int(pixels) for pixels in shift],
            scale=float(parameters["scale"]),
            shear=[float(parameters["shear_x"]), float(parameters["shear_y"])],
        )
