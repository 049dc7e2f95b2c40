"""Colour operations of policies on whole batches, each sample with a strength of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfw_plugins.transforms.color import grey
from imgfw_plugins.transforms.samples import brightest, per_image

if TYPE_CHECKING:
    from torch import Tensor


def recolored(name: str, images: Tensor, amounts: Tensor) -> Tensor:
    """Do one operation on images `[B, C, H, W]`, uint8 or float.

    Args:
        name: of the operation, as policies call it.
        images: the batch.
        amounts: float32 `[B]`, on the host: the factor of `brightness`, `contrast`, `saturation` and
            `sharpness`, the bits that `posterize` keeps, the value from which on `solarize` inverts.
    """
    from torchvision.transforms.v2 import functional as F

    if name in ("brightness", "contrast", "saturation"):
        return _blended(name, images, amounts)
    if name == "sharpness":
        return _sharpened(images, amounts)
    if name == "posterize":
        return _posterized(images, amounts)
    if name == "solarize":
        return images.where(images < per_image(amounts, images), F.invert(images))
    changed: Tensor = F.autocontrast(images) if name == "autocontrast" else F.equalize(images)
    return changed


def _blended(name: str, images: Tensor, factors: Tensor) -> Tensor:
    """Move each pixel away from black, from the image's mean grey, or from its own grey."""
    if name == "saturation" and images.shape[1] == 1:
        return images
    factor, work = per_image(factors, images), images.to(factors.dtype)
    changed = work * factor
    if name != "brightness":
        luma = grey(work) if images.is_floating_point() else grey(work).floor()
        reference = luma if name == "saturation" else luma.mean((1, 2, 3), keepdim=True)
        changed.add_(reference * (1 - factor))
    return changed.clamp_(0, brightest(images)).to(images.dtype)


def _sharpened(images: Tensor, factors: Tensor) -> Tensor:
    """Move each pixel away from, or to, the mean of its neighbourhood, in which it counts 5 times."""
    from torch.nn.functional import avg_pool2d

    if min(images.shape[-2:]) <= 2:
        return images
    work = images.to(factors.dtype, copy=True)
    inner = work[..., 1:-1, 1:-1]
    smooth = (avg_pool2d(work, 3, stride=1, divisor_override=1) + 4 * inner) / 13
    smooth = smooth if images.is_floating_point() else smooth.round_()
    inner.add_((smooth - inner).mul_(1 - per_image(factors, images)))
    return work.clamp_(0, brightest(images)).to(images.dtype)


def _posterized(images: Tensor, bits: Tensor) -> Tensor:
    """Keep the highest bits, or in floats as many levels."""
    levels = per_image(bits, images).exp2()
    if images.is_floating_point():
        return (images * levels).floor_().clamp_(min=0).minimum(levels - 1).div_(levels)
    return images & (256 - 256 / levels).to(images.dtype)
