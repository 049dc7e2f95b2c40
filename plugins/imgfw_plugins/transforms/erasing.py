"""Erasing rectangles."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from imgfw_plugins.transforms.ranges import Fill, Probability
from imgfw_plugins.transforms.resized_cropping import CANDIDATES, area_range, ratio_range
from imgfw_plugins.transforms.samples import PixelTransform, Row, per_image

if TYPE_CHECKING:
    from imgfw import DatasetInfo, Keys
    from torch import Tensor

_WORD = 0xFFFFFFFF


class RandomErasing(PixelTransform):
    """Erase a random rectangle, with a probability.

    Zhong et al., "Random erasing data augmentation" (AAAI 2020). It works before and after `normalize`.
    Targets stay as they are: what is under the rectangle still counts. When none of ten drawn rectangles
    fits into the image, nothing is erased.

    Args:
        p: the probability.
        scale: range of the erased area, as a share of the image's.
        ratio: range of the rectangle's height over its width.
        value: what the pixels become: one number or one a channel, in the image's units at this place of the
            recipe (0 to 255 before `to_float` or `normalize`), or `random` for noise: normal in float images,
            uniform over all levels in uint8 ones.

    Raises:
        ValueError: for a range or a value that cannot be.
    """

    def __init__(
        self,
        info: DatasetInfo,
        *,
        p: Probability = 0.5,
        scale: tuple[float, float] = (0.02, 0.33),
        ratio: tuple[float, float] = (0.3, 3.3),
        value: Fill | Literal["random"] = 0.0,
    ) -> None:
        self.p = p
        self.scale = area_range(scale)
        self.ratio = ratio_range(ratio)
        if isinstance(value, tuple) and len(value) != info.channels:
            raise ValueError(f"value has {len(value)} numbers but the images have {info.channels} channels")
        self.value = value

    def draw(self, keys: Keys) -> Row:
        return {
            "erase": keys.bernoulli(self.p),
            "area": keys.uniform(*self.scale, count=CANDIDATES),
            "log_ratio": keys.uniform(*map(math.log, self.ratio), count=CANDIDATES),
            "top": keys.uniform(),
            "left": keys.uniform(),
            "noise": keys.integers(1 << 32),
        }

    def change(self, images: Tensor, parameters: Row) -> Tensor:
        import torch

        if self.value == "random":
            replacement = _noise(images, parameters["noise"])
        else:
            value = torch.tensor(self.value, dtype=images.dtype).view(-1, 1, 1)
            replacement = value.to(images.device, non_blocking=True)
        return torch.where(_rectangles(images, parameters), replacement, images)


def _rectangles(images: Tensor, parameters: Row) -> Tensor:
    """The pixels to erase, bool `[B, 1, H, W]`: of each sample's candidates the first that fits."""
    height, width = images.shape[-2:]
    area, ratio = parameters["area"] * (height * width), parameters["log_ratio"].exp()
    all_rows, all_columns = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()
    fits = (all_rows < height) & (all_columns < width)
    first = fits.byte().argmax(dim=1, keepdim=True)
    erase = parameters["erase"] & fits.any(dim=1)
    rows = all_rows.gather(1, first).squeeze(1) * erase
    columns = all_columns.gather(1, first).squeeze(1)
    top = (parameters["top"] * (height - rows + 1)).floor()
    left = (parameters["left"] * (width - columns + 1)).floor()
    inside_rows = _between(images, top, top + rows, height).unsqueeze(-1)
    return inside_rows & _between(images, left, left + columns, width).unsqueeze(-2)


def _between(images: Tensor, start: Tensor, end: Tensor, length: int) -> Tensor:
    """Which positions of a side lie in start <= position < end: bool `[B, 1, length]`."""
    import torch

    positions = torch.arange(length, device=images.device)
    start, end = per_image(start, images).squeeze(-1), per_image(end, images).squeeze(-1)
    return (positions >= start) & (positions < end)


def _noise(images: Tensor, seeds: Tensor) -> Tensor:
    """Noise like the images, a function of each sample's seed and of the position alone.

    Positions are hashed with the seed (Wellons' lowbias32), because a generator's numbers would depend on the
    batch and the device.
    """
    import torch

    positions = torch.arange(images[0].numel(), device=images.device).view(images.shape[1:])
    bits = per_image(seeds, images) ^ (positions * 0x9E3779B1 & _WORD)
    for shift, multiplier in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        bits = (bits ^ (bits >> shift)) * multiplier & _WORD
    bits ^= bits >> 16
    if not images.is_floating_point():
        return (bits >> 24).to(images.dtype)
    return torch.special.ndtri((bits >> 9).float().add_(0.5).mul_(2.0**-23)).to(images.dtype)
