"""Policies: operations drawn from a list, each with a strength."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from imgfw import Ge, Interval, Transform

from imgfw_plugins.transforms.color import check_grey_or_rgb
from imgfw_plugins.transforms.geometry import Resampling
from imgfw_plugins.transforms.ranges import Fill, fill_for
from imgfw_plugins.transforms.recoloring import recolored
from imgfw_plugins.transforms.resampling import resampled, rotated, sampling_grid, shear_angle, warped
from imgfw_plugins.transforms.samples import Row, brightest, in_pieces, move, of_type, taken

if TYPE_CHECKING:
    from imgfw import DatasetInfo, Keys
    from torch import Tensor

GEOMETRIC = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
SIGNED = (*GEOMETRIC, "brightness", "saturation", "contrast", "sharpness")
RECOLORING = (
    "brightness",
    "saturation",
    "contrast",
    "sharpness",
    "posterize",
    "solarize",
    "autocontrast",
    "equalize",
)
OPERATIONS = ("identity", *GEOMETRIC, *RECOLORING)


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

    host_parameters = True

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
        import numpy as np
        from torch import Tensor

        drawn = (parameters[name].tolist() for name in ("operation", "negative", "strength"))
        for index, negative, strength in zip(*drawn, strict=True):
            name = OPERATIONS[index]
            signed = -strength if negative and name in SIGNED else strength
            if name in GEOMETRIC:
                image, target = self._moved(name, image, target, signed)
            elif name != "identity":
                batch = image.as_subclass(Tensor).unsqueeze(0)
                image = of_type(image, self._recolored(name, batch, np.array([signed])).squeeze(0))
        return image, target

    def apply_batch(self, images: Tensor, targets: Any, parameters: Row) -> tuple[Tensor, Any]:
        return in_pieces(self._operate, images, targets, parameters)

    def _operate(self, images: Tensor, targets: Any, parameters: Row) -> tuple[Tensor, Any]:
        """Every sample's first operation, then the second, and so on; those of a kind together."""
        import numpy as np
        import torch
        from torchvision import tv_tensors

        images = images.clone()
        masks = targets.clone() if isinstance(targets, tv_tensors.Mask) else None
        drawn = (parameters[name].cpu().numpy().T for name in ("operation", "negative", "strength"))
        for operation, negative, strength in zip(*drawn, strict=True):
            names = np.array(OPERATIONS)[operation]
            signed = np.where(negative & np.isin(names, SIGNED), -strength, strength)
            kinds = np.where(np.isin(names, GEOMETRIC), "geometric", names)
            for kind in np.unique(kinds[kinds != "identity"]).tolist():
                rows = np.flatnonzero(kinds == kind)
                there = torch.from_numpy(rows).to(images.device, non_blocking=True)
                some = images.index_select(0, there)
                if kind != "geometric":
                    images.index_copy_(0, there, self._recolored(kind, some, signed[rows]))
                    continue
                grid = self._grid(some, names[rows], signed[rows])
                settings = grid, self.interpolation, self.fill, self.ignore_index
                images.index_copy_(0, there, resampled(some, *settings))
                if masks is not None:
                    masks.index_copy_(0, there, resampled(taken(masks, there), *settings))
        return images, targets if masks is None else masks

    def _recolored(self, name: str, images: Tensor, strength: Any) -> Tensor:
        """One colour operation on a batch, of strengths float64 `[B]`."""
        import numpy as np
        import torch

        amounts = 1 + strength * self.strongest.enhance
        if name == "posterize":
            amounts = np.rint(8 - strength * self.strongest.posterize)
        elif name == "solarize":
            amounts = brightest(images) * (1 - strength)
        return recolored(name, images, torch.from_numpy(amounts).float())

    def _grid(self, images: Tensor, names: Any, strength: Any) -> Tensor:
        """Where the pixels of moved images come from: their operations are one affine map each."""
        import numpy as np

        height, width = images.shape[-2:]
        full = self.strongest
        angle = np.radians(np.where(names == "rotate", strength * full.rotate, 0.0))
        cos, sin = np.cos(angle), np.sin(angle)
        slope_x = np.where(names == "shear_x", strength * full.shear, 0.0)
        slope_y = np.where(names == "shear_y", strength * full.shear, 0.0)
        right, down = (np.trunc(strength * full.translate * self._unit(side)) for side in (width, height))
        right = np.where(names == "translate_x", right, -slope_x * height / 2)  # shears keep the first corner
        down = np.where(names == "translate_y", down, -slope_y * width / 2)
        rows = (cos, sin - slope_x), (-sin - slope_y, cos)
        return sampling_grid(*rows, (right, down), (height, width), images.device)

    def _moved(self, name: str, image: Tensor, target: Any, strength: float) -> tuple[Tensor, Any]:
        import numpy as np
        from torchvision import tv_tensors

        grid = self._grid(image, np.array([name]), np.array([strength]))

        def change(part: Any) -> Any:
            if isinstance(part, tv_tensors.BoundingBoxes):
                return self._moved_boxes(name, part, strength)
            return resampled(part, grid, self.interpolation, self.fill, self.ignore_index)

        return move(change, image, target)

    def _moved_boxes(self, name: str, boxes: Any, strength: float) -> Any:
        height, width = boxes.canvas_size
        if name == "rotate":
            return rotated(boxes, strength * self.strongest.rotate, self.interpolation, None)
        if name.startswith("translate"):
            shift = [self._pixels(strength, width), 0]
            shift = shift if name == "translate_x" else [0, self._pixels(strength, height)]
            return warped(boxes, self.interpolation, None, translate=shift)
        angle = shear_angle(strength * self.strongest.shear)
        shear = [angle, 0.0] if name == "shear_x" else [0.0, angle]
        return warped(boxes, self.interpolation, None, shear=shear, center=[0.0, 0.0])

    def _pixels(self, strength: float, side: int) -> int:
        return int(strength * self.strongest.translate * self._unit(side))

    def _unit(self, side: int) -> int:
        """What shifts are counted in."""
        return 1 if self.strongest.translate_in_pixels else side


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
