"""Colour: jitter, greyscale, blur."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgfw import Transform, about

from imgfw_plugins.transforms.ranges import Probability, Range, Size, around, height_and_width, ordered
from imgfw_plugins.transforms.samples import PixelTransform, Row, brightest, in_pieces, per_image, select

if TYPE_CHECKING:
    from imgfw import DatasetInfo, Keys
    from torch import Tensor

BRIGHTNESS, CONTRAST, SATURATION = range(3)
LUMA = (0.2989, 0.587, 0.114)
"""Shares of red, green and blue in grey (ITU-R BT.601)."""


@about(example={"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1})
class ColorJitter(PixelTransform):
    """Change brightness, contrast, saturation and hue at random, in random order.

    Of a grey image, saturation and hue have nothing to change.

    Args:
        brightness: factor: one number `x` for 1 - x to 1 + x, or `[min, max]`; 1 keeps the image.
        contrast: factor, written alike.
        saturation: factor, written alike.
        hue: shift around the colour circle: one number for minus to plus that number, or `[min, max]`, within
            -0.5 to 0.5; 0 keeps the image.

    Raises:
        ValueError: for a range that cannot be, when nothing would change, and for images that are neither
            grey nor RGB.
    """

    def __init__(
        self,
        info: DatasetInfo,
        *,
        brightness: Range = 0.0,
        contrast: Range = 0.0,
        saturation: Range = 0.0,
        hue: Range = 0.0,
    ) -> None:
        check_grey_or_rgb("color_jitter", info)
        self.factors = [
            _factor_range("brightness", brightness),
            _factor_range("contrast", contrast),
            _factor_range("saturation", saturation),
        ]
        self.hue = around("hue", hue)
        if self.hue[0] < -0.5 or self.hue[1] > 0.5:
            raise ValueError(
                f"hue is from {self.hue[0]:g} to {self.hue[1]:g}, but half the circle, 0.5, is the most"
            )
        if self.hue == (0.0, 0.0) and all(span == (1.0, 1.0) for span in self.factors):
            raise ValueError("color_jitter changes nothing; set brightness, contrast, saturation or hue")

    def draw(self, keys: Keys) -> Row:
        import torch

        return {
            "factors": torch.stack([keys.uniform(*span) for span in self.factors], dim=1),
            "order": keys.uniform(count=3).argsort(dim=1),
            "hue": keys.uniform(*self.hue),
            "hue_place": keys.integers(4),
        }

    def apply_batch(self, images: Tensor, targets: Any, parameters: Row) -> tuple[Tensor, Any]:
        return in_pieces(super().apply_batch, images, targets, parameters)

    def change(self, images: Tensor, parameters: Row) -> Tensor:
        """Each sample's hue comes before the first, second or third of the others, or last. So the others are
        done twice, before hue where it comes later and after it where it came first: no step waits for the
        device to tell which samples it concerns."""
        from torch import float32

        white = brightest(images)
        order, factors, hue_place = (
            parameters[name].to(images.device) for name in ("order", "factors", "hue_place")
        )
        has_hue = self.hue != (0.0, 0.0) and images.shape[1] == 3
        work = images.to(float32)
        for step in range(3):
            earlier = step < hue_place if has_hue else hue_place >= 0
            work = _blended(work, order[:, step], factors, earlier, white)
        if has_hue:
            work = with_hue_shifted(work, parameters["hue"])
            work = work.round_() if white == 255 else work
            for step in range(3):
                work = _blended(work, order[:, step], factors, step >= hue_place, white)
        return work.to(images.dtype)


def _factor_range(name: str, value: Range) -> tuple[float, float]:
    if not isinstance(value, tuple):
        low, high = around(name, value, centre=1.0)
        return max(low, 0.0), high
    if value[0] < 0:
        raise ValueError(f"{name} starts at {value[0]:g}, but it is a factor of 0 or more")
    return ordered(name, value)


def check_grey_or_rgb(name: str, info: DatasetInfo) -> None:
    """Refuse images whose channels are not known to be grey or red, green and blue.

    Raises:
        ValueError: for them.
    """
    if info.channels not in (1, 3):
        raise ValueError(f"{name} works on grey or RGB images, but these have {info.channels} channels")


def grey(images: Tensor) -> Tensor:
    """The luma of float images `[B, C, H, W]`, as `[B, 1, H, W]`; grey images are their own."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.split(1, dim=1)
    return red * LUMA[0] + green * LUMA[1] + blue * LUMA[2]


def _blended(images: Tensor, operation: Tensor, factors: Tensor, concerned: Tensor, white: float) -> Tensor:
    """Move each sample away from a reference by a factor: brightness from black, contrast from the mean grey,
    saturation from each pixel's grey; in whole levels where white is 255, as on uint8 images.

    Args:
        images: float `[B, C, H, W]`.
        operation: int64 `[B]`, which of the three.
        factors: `[B, 3]`, a factor for each of the three.
        concerned: bool `[B]`; the other samples are kept as they are.
        white: the value of white.
    """
    import torch

    if images.device.type == "cpu" and not concerned.any():
        return images  # asking another device would mean waiting for it
    luma = grey(images)
    luma = luma.floor() if white == 255 else luma
    contrasts, saturates = (per_image(operation == which, images) for which in (CONTRAST, SATURATION))
    reference = torch.where(saturates, luma, luma.mean((1, 2, 3), keepdim=True) * contrasts)
    own = factors.gather(1, operation.unsqueeze(1)).squeeze(1)
    factor = per_image(torch.where(concerned, own, 1.0), images)
    blended = (images * factor).add_(reference * (1 - factor)).clamp_(0, white)
    return blended.floor_() if white == 255 else blended


def with_hue_shifted(images: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue of RGB images, keeping saturation and value (both in the HSV sense).

    Args:
        images: float `[B, 3, H, W]`, of any scale.
        shift: `[B]`, in turns of the colour circle.
    """
    import torch

    red, green, blue = images.unbind(1)
    low, high = images.aminmax(dim=1)
    chroma = high - low
    divisor = torch.where(chroma == 0, 1.0, chroma)
    sixth = torch.where(
        high == red,
        (green - blue) / divisor,
        torch.where(high == green, (blue - red) / divisor + 2, (red - green) / divisor + 4),
    )
    turned = (sixth + per_image(shift * 6, images).squeeze(1)).unsqueeze(1)
    phase = torch.arange(5.0, 0.0, -2.0, device=images.device).view(3, 1, 1)
    distance = (turned + phase).remainder(6)
    missing = torch.minimum(distance, 4 - distance).clamp(0, 1)
    return high.unsqueeze(1) - chroma.unsqueeze(1) * missing


class RandomGrayscale(PixelTransform):
    """Turn an image grey, with a probability; it keeps its channels.

    Args:
        p: the probability.

    Raises:
        ValueError: for images that are neither grey nor RGB.
    """

    def __init__(self, info: DatasetInfo, *, p: Probability = 0.1) -> None:
        check_grey_or_rgb("random_grayscale", info)
        self.p = p

    def draw(self, keys: Keys) -> Row:
        return {"grey": keys.bernoulli(self.p)}

    def apply_batch(self, images: Tensor, targets: Any, parameters: Row) -> tuple[Tensor, Any]:
        return in_pieces(super().apply_batch, images, targets, parameters)

    def change(self, images: Tensor, parameters: Row) -> Tensor:
        from torch import float32

        luma = grey(images.to(float32)).to(images.dtype)
        return select(parameters["grey"], luma.expand_as(images), images)


@about(example={"kernel_size": 3})
class GaussianBlur(Transform):
    """Blur with a Gaussian of random width.

    Args:
        kernel_size: side of the kernel in pixels, or `[along x, along y]`; odd numbers.
        sigma: standard deviation in pixels, one number or the range to draw from.

    Raises:
        ValueError: for an even kernel, or a range that cannot be.
        DataError: for an image that is no larger than half the kernel.
    """

    def __init__(self, *, kernel_size: Size, sigma: Range = (0.1, 2.0)) -> None:
        self.kernel_size = height_and_width(kernel_size)
        if any(side % 2 == 0 for side in self.kernel_size):
            raise ValueError(f"kernel_size is {kernel_size}, but a kernel with a centre has an odd size")
        self.sigma = ordered("sigma", sigma if isinstance(sigma, tuple) else (sigma, sigma))
        if self.sigma[0] <= 0:
            raise ValueError(f"sigma starts at {self.sigma[0]:g}, but a width is above 0")

    def draw(self, keys: Keys) -> Row:
        return {"sigma": keys.uniform(*self.sigma)}

    def apply(self, image: Tensor, target: Any, parameters: Row) -> tuple[Tensor, Any]:
        from torchvision.transforms.v2 import functional as F

        self._refuse_small(image)
        sigma = float(parameters["sigma"])
        return F.gaussian_blur(image, list(self.kernel_size), [sigma, sigma]), target

    def apply_batch(self, images: Tensor, targets: Any, parameters: Row) -> tuple[Tensor, Any]:
        return in_pieces(self._blur, images, targets, parameters)

    def _blur(self, images: Tensor, targets: Any, parameters: Row) -> tuple[Tensor, Any]:
        """Along x, then along y, every channel of every image a group of its own."""
        from torch.nn.functional import conv2d, pad

        self._refuse_small(images)
        sigma = parameters["sigma"].to(images.device)
        along_x, along_y = (
            _gaussian(size, sigma).repeat_interleave(images.shape[1], 0) for size in self.kernel_size
        )
        work = images if images.is_floating_point() else images.float()
        margins = [size // 2 for size in self.kernel_size for _ in range(2)]
        work = pad(work, margins, mode="reflect").flatten(0, 1).unsqueeze(0)
        work = conv2d(work, along_x[:, None, None, :], groups=len(along_x))
        work = conv2d(work, along_y[:, None, :, None], groups=len(along_y)).reshape(images.shape)
        return (work if images.is_floating_point() else work.round_().to(images.dtype)), targets

    def prefers_batches(self, device_type: str) -> bool:
        return device_type != "cpu"

    def _refuse_small(self, image: Tensor) -> None:
        along_x, along_y = self.kernel_size
        if image.shape[-1] <= along_x // 2 or image.shape[-2] <= along_y // 2:
            from imgfw import DataError

            raise DataError(
                f"gaussian_blur has a kernel of {along_x} x {along_y} pixels (width x height), too large for"
                f" an image of {image.shape[-1]} x {image.shape[-2]}.",
                'Choose a smaller "kernel_size".',
            )


def _gaussian(size: int, sigma: Tensor) -> Tensor:
    """Kernels of `size` pixels and of widths `sigma` `[B]`: `[B, size]`."""
    import torch

    x = torch.arange(size, dtype=sigma.dtype, device=sigma.device) - size // 2
    return (x / sigma.unsqueeze(1)).square().div(-2).softmax(dim=1)
