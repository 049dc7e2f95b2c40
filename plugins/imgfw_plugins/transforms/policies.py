"""Policies: operations drawn from a list, each with a strength."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from imgfw import Ge, Interval, Transform

from imgfw_plugins.transforms.color import check_grey_or_rgb
from imgfw_plugins.transforms.geometry import Resampling
from imgfw_plugins.transforms.ranges import Fill, fill_for
from imgfw_plugins.transforms.resampling import rotated, shear_angle, warped
from imgfw_plugins.transforms.samples import Row, fill_of, move

if TYPE_CHECKING:
    from imgfw import DatasetInfo, Keys
    from torch import Tensor

GEOMETRIC = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
SIGNED = (*GEOMETRIC, "brightness", "saturation", "contrast", "sharpness")
OPERATIONS = ("identity", *SIGNED, "posterize", "solarize", "autocontrast", "equalize")


@dataclass(frozen=True)
class Strongest:
    """What full strength means.

    Attributes:
        shear: slope.
        translate: as a share of the side, or in pixels where `translate_in_pixels`.
        rotate: degrees.
        enhance: distance of a colour factor from 1.
        posterize: bits taken away from eight.
        translate_in_pixels: see `translate`.
    """

    shear: float
    translate: float
    rotate: float
    enhance: float
    posterize: int
    translate_in_pixels: bool = False


RANDAUGMENT = Strongest(shear=0.3, translate=150 / 331, rotate=30, enhance=0.9, posterize=4)
TRIVIALAUGMENT_WIDE = Strongest(
    shear=0.99, translate=32, rotate=135, enhance=0.99, posterize=6, translate_in_pixels=True
)


class _Policy(Transform):
    """Base of the policies: draws operations and signs, and does them one after the other."""

    def __init__(
        self, info: DatasetInfo, strongest: Strongest, num_ops: int, interpolation: str, fill: Fill
    ) -> None:
        self.strongest = strongest
        self.num_ops = num_ops
        self.interpolation = interpolation
        self.fill = fill_for(info, fill)
        self.ignore_index = info.ignore_index

    def draw(self, keys: Keys) -> Row:
        return {
            "operation": keys.integers(len(OPERATIONS), count=self.num_ops),
            "negative": keys.bernoulli(0.5, count=self.num_ops),
            "strength": self.draw_strength(keys.fold(1)),
        }

    def draw_strength(self, keys: Keys) -> Tensor:
        """The strength of each operation, from 0 to 1: float `[B, num_ops]`."""
        raise NotImplementedError

    def apply(self, image: Tensor, target: Any, parameters: Row) -> tuple[Tensor, Any]:
        drawn = (parameters[name].tolist() for name in ("operation", "negative", "strength"))
        for index, negative, strength in zip(*drawn, strict=True):
            name = OPERATIONS[index]
            signed = -strength if negative and name in SIGNED else strength
            if name in GEOMETRIC:
                image, target = self._moved(name, image, target, signed)
            else:
                image = _recolored(name, image, signed, self.strongest)
        return image, target

    def _moved(self, name: str, image: Tensor, target: Any, strength: float) -> tuple[Tensor, Any]:
        height, width = image.shape[-2:]

        def change(part: Any) -> Any:
            fill = fill_of(part, self.fill, self.ignore_index)
            if name == "rotate":
                return rotated(part, strength * self.strongest.rotate, self.interpolation, fill)
            if name.startswith("translate"):
                shift = [self._pixels(strength, width), 0]
                shift = shift if name == "translate_x" else [0, self._pixels(strength, height)]
                return warped(part, self.interpolation, fill, translate=shift)
            angle = shear_angle(strength * self.strongest.shear)
            shear = [angle, 0.0] if name == "shear_x" else [0.0, angle]
            return warped(part, self.interpolation, fill, shear=shear, center=[0.0, 0.0])

        return move(change, image, target)

    def _pixels(self, strength: float, side: int) -> int:
        return int(strength * self.strongest.translate * (1 if self.strongest.translate_in_pixels else side))


def _recolored(name: str, image: Tensor, strength: float, strongest: Strongest) -> Tensor:
    from torchvision.transforms.v2 import functional as F

    factor = 1 + strength * strongest.enhance
    if name == "brightness":
        return F.adjust_brightness(image, factor)
    if name == "saturation":
        return F.adjust_saturation(image, factor)
    if name == "contrast":
        return F.adjust_contrast(image, factor)
    if name == "sharpness":
        return F.adjust_sharpness(image, factor)
    if name == "posterize":
        return F.posterize(image, round(8 - strength * strongest.posterize))
    if name == "solarize":
        return F.solarize(image, 255 * (1 - strength))
    if name == "autocontrast":
        return F.autocontrast(image)
    return F.equalize(image) if name == "equalize" else image


class RandAugment(_Policy):
    """Do a few random operations, all of one strength.

    Cubuk et al., "RandAugment: practical automated data augmentation with a reduced search space" (NeurIPS
    2020), with torchvision's operations and ranges. Masks and boxes move along.

    Args:
        num_ops: operations an image.
        magnitude: their strength, from 0 to `num_magnitude_bins` - 1.
        num_magnitude_bins: the number of strengths that `magnitude` counts in.
        interpolation: how images are resampled; masks always with `nearest`.
        fill: value of uncovered pixels, one number or one a channel; in a mask they become the ignore index.

    Raises:
        ValueError: for a magnitude beyond the bins, a fill that cannot be, and for images that are neither
            grey nor RGB.
    """

    def __init__(
        self,
        info: DatasetInfo,
        *,
        num_ops: Annotated[int, Interval(ge=1, le=100)] = 2,
        magnitude: Annotated[int, Ge(0)] = 9,
        num_magnitude_bins: Annotated[int, Interval(ge=2, le=1000)] = 31,
        interpolation: Resampling = "nearest",
        fill: Fill = 0.0,
    ) -> None:
        check_grey_or_rgb("rand_augment", info)
        if magnitude >= num_magnitude_bins:
            raise ValueError(f"magnitude is {magnitude}, but the strongest is {num_magnitude_bins - 1}")
        super().__init__(info, RANDAUGMENT, num_ops, interpolation, fill)
        self.strength = magnitude / (num_magnitude_bins - 1)

    def draw_strength(self, keys: Keys) -> Tensor:
        import torch

        return torch.full((len(keys), self.num_ops), self.strength, dtype=torch.float64)


class TrivialAugmentWide(_Policy):
    """Do one random operation of random strength.

    Müller and Hutter, "TrivialAugment: tuning-free yet state-of-the-art data augmentation" (ICCV 2021), the
    wide space, with torchvision's ranges. Masks and boxes move along.

    Args:
        num_magnitude_bins: the number of strengths, equally likely, from none to the strongest.
        interpolation: how images are resampled; masks always with `nearest`.
        fill: value of uncovered pixels, one number or one a channel; in a mask they become the ignore index.

    Raises:
        ValueError: for a fill that cannot be, and for images that are neither grey nor RGB.
    """

    def __init__(
        self,
        info: DatasetInfo,
        *,
        num_magnitude_bins: Annotated[int, Interval(ge=2, le=1000)] = 31,
        interpolation: Resampling = "nearest",
        fill: Fill = 0.0,
    ) -> None:
        check_grey_or_rgb("trivial_augment_wide", info)
        super().__init__(info, TRIVIALAUGMENT_WIDE, 1, interpolation, fill)
        self.num_magnitude_bins = num_magnitude_bins

    def draw_strength(self, keys: Keys) -> Tensor:
        return keys.integers(self.num_magnitude_bins, count=1).double() / (self.num_magnitude_bins - 1)
