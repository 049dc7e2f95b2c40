"""Crops of random size, resized."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from imgfw import Transform, Warp, about

from imgfw_plugins.transforms.cropping import wanted_size
from imgfw_plugins.transforms.ranges import Size, height_and_width, ordered
from imgfw_plugins.transforms.resampling import multiplied, nearest_positions, picked, window_weights
from imgfw_plugins.transforms.samples import Row, in_pieces, move, of_type
from imgfw_plugins.transforms.sizing import Interpolation

if TYPE_CHECKING:
    from imgfw import Keys
    from torch import Tensor

CANDIDATES = 10


@about(example={"size": 32}, output_size=wanted_size)
class RandomResizedCrop(Transform):
    """Cut out a part of random area and proportions, and resize it.

    As in Szegedy et al., "Going deeper with convolutions" (CVPR 2015). When none of ten drawn shapes fits
    into the image, the largest central crop within `ratio` is taken.

    Args:
        size: side of the resulting square in pixels, or `[height, width]`.
        scale: range of the cut area, as a share of the image's.
        ratio: range of the cut part's width over its height.
        interpolation: how the image is resampled; masks always with `nearest`.
        antialias: smooth while making images smaller.

    Raises:
        ValueError: for a range that cannot be.
    """

    any_scale = True
    host_parameters = True

    def __init__(
        self,
        *,
        size: Size,
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        interpolation: Interpolation = "bilinear",
        antialias: bool = True,
    ) -> None:
        self.size = height_and_width(size)
        self.scale = area_range(scale)
        self.ratio = ratio_range(ratio)
        self.interpolation = interpolation
        self.antialias = antialias

    def draw(self, keys: Keys) -> Row:
        return {
            "area": keys.uniform(*self.scale, count=CANDIDATES),
            "log_ratio": keys.uniform(*map(math.log, self.ratio), count=CANDIDATES),
            "top": keys.uniform(),
            "left": keys.uniform(),
        }

    def apply(self, image: Tensor, target: Any, parameters: Row) -> tuple[Tensor, Any]:
        from torchvision.transforms import InterpolationMode
        from torchvision.transforms.v2 import functional as F

        top, left, height, width = self._window(image.shape[-2], image.shape[-1], parameters)
        mode = InterpolationMode(self.interpolation)
        return move(
            lambda part: F.resized_crop(
                part, top, left, height, width, list(self.size), interpolation=mode, antialias=self.antialias
            ),
            image,
            target,
        )

    def apply_batch(self, images: Tensor, targets: Any, parameters: Row) -> tuple[Tensor, Any]:
        return in_pieces(self._crop, images, targets, parameters)

    def _crop(self, images: Tensor, targets: Any, parameters: Row) -> tuple[Tensor, Any]:
        windows = self._windows(images.shape[-2], images.shape[-1], parameters)
        windows = windows.to(images.device, non_blocking=True)
        return move(lambda part: self._resized(part, *windows.unbind()), images, targets)

    def works_on_batches(self) -> bool:
        return self.interpolation != "bicubic"

    def prefers_batches(self, device_type: str) -> bool:
        return device_type != "cpu"  # the matrix products of all windows are work for a GPU

    def is_warp(self) -> bool:
        return self.interpolation == "bilinear" and self.antialias

    def warp(self, height: int, width: int, parameters: Row) -> Warp:
        top, left, rows, columns = self._window(height, width, parameters)
        down, across = self.size[0] / rows, self.size[1] / columns
        return Warp(((across, 0, -left * across), (0, down, -top * down)), self.size)

    def _window(self, height: int, width: int, parameters: Row) -> tuple[int, int, int, int]:
        for share, log_ratio in zip(
            parameters["area"].tolist(), parameters["log_ratio"].tolist(), strict=True
        ):
            area, ratio = share * height * width, math.exp(log_ratio)
            rows, columns = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
            if 0 < rows <= height and 0 < columns <= width:
                top = int(parameters["top"] * (height - rows + 1))
                return top, int(parameters["left"] * (width - columns + 1)), rows, columns
        return self._central_window(height, width)

    def _windows(self, height: int, width: int, parameters: Row) -> Tensor:
        """`_window` for a batch: int64 `[4, B]`."""
        import torch

        area = parameters["area"].double() * height * width
        ratio = parameters["log_ratio"].double().exp()
        rows, columns = (area / ratio).sqrt().round(), (area * ratio).sqrt().round()
        fits = (rows > 0) & (rows <= height) & (columns > 0) & (columns <= width)
        first = fits.byte().argmax(dim=1, keepdim=True)
        rows, columns = (sides.gather(1, first).squeeze(1).long() for sides in (rows, columns))
        top = (parameters["top"] * (height - rows + 1)).long()
        left = (parameters["left"] * (width - columns + 1)).long()
        central = torch.tensor(self._central_window(height, width)).unsqueeze(1)
        return torch.where(fits.any(dim=1), torch.stack([top, left, rows, columns]), central)

    def _resized(self, part: Any, top: Tensor, left: Tensor, rows: Tensor, columns: Tensor) -> Any:
        """Windows of images or masks, at the wanted size."""
        from torch import Tensor
        from torchvision import tv_tensors

        plain = part.as_subclass(Tensor)
        if isinstance(part, tv_tensors.Mask) or self.interpolation == "nearest":
            down = nearest_positions(top, rows, self.size[0])
            across = nearest_positions(left, columns, self.size[1])
            return of_type(part, picked(plain, down, across))
        down = window_weights(top, rows, plain.shape[-2], self.size[0], self.antialias)
        across = window_weights(left, columns, plain.shape[-1], self.size[1], self.antialias)
        return multiplied(plain, down, across)

    def _central_window(self, height: int, width: int) -> tuple[int, int, int, int]:
        ratio = min(max(width / height, self.ratio[0]), self.ratio[1])
        rows = max(min(height, round(width / ratio)), 1)
        columns = max(min(width, round(height * ratio)), 1)
        return (height - rows) // 2, (width - columns) // 2, rows, columns


def area_range(scale: tuple[float, float]) -> tuple[float, float]:
    """A range of shares of an image's area.

    Raises:
        ValueError: unless 0 < min <= max <= 1.
    """
    if scale[0] <= 0 or scale[1] > 1:
        raise ValueError(
            f"scale is from {scale[0]:g} to {scale[1]:g}; shares of the area are above 0 and at most 1"
        )
    return ordered("scale", scale)


def ratio_range(ratio: tuple[float, float]) -> tuple[float, float]:
    """A range of proportions.

    Raises:
        ValueError: unless 0 < min <= max.
    """
    if ratio[0] <= 0:
        raise ValueError(f"ratio starts at {ratio[0]:g}, but proportions are above 0")
    return ordered("ratio", ratio)
