"""From uint8 to float: the one place where images change their type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from imgfw import ChannelStatistics, Gt, Transform

from imgfw_plugins.transforms.samples import Row

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from imgfw import DatasetInfo
    from torch import Tensor

STATISTICS = {
    "imagenet": ChannelStatistics(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    "cifar10": ChannelStatistics(mean=(0.4914, 0.48216, 0.44653), std=(0.24703, 0.24349, 0.26159)),
    "cifar100": ChannelStatistics(mean=(0.50708, 0.48655, 0.44092), std=(0.26733, 0.25644, 0.27615)),
    "mnist": ChannelStatistics(mean=(0.13066,), std=(0.30811,)),
    "fashion_mnist": ChannelStatistics(mean=(0.28604,), std=(0.35302,)),
}
"""Mean and deviation of pixels in 0..1. `imagenet`: what torchvision's pretrained weights were trained with
(their `transforms()`). The others: over all pixels of the training images."""

Named = Literal["imagenet", "cifar10", "cifar100", "mnist", "fashion_mnist", "half", "measured"]
Deviation = Annotated[float, Gt(0)]


class ToFloat(Transform):
    """Scale uint8 images to 0..1; float images stay as they are.

    Use it in place of `normalize` for models that normalise themselves, as torchvision's detection models do.
    """

    def apply_batch(self, images: Any, targets: Any, parameters: Row) -> tuple[Any, Any]:
        """Transform images `[B, C, H, W]`, or a list of `[C, H, W]` where sizes differ."""
        if isinstance(images, list):
            return [_to_float(image) for image in images], targets
        return _to_float(images), targets


def _to_float(images: Tensor) -> Tensor:
    return images if images.is_floating_point() else images / 255


class Normalize(Transform):
    """Subtract the mean and divide by the deviation of each channel; uint8 images become float.

    Args:
        stats: whose mean and deviation: `measured` on the training images; `imagenet` (use it with pretrained
            weights), `cifar10`, `cifar100`, `mnist` or `fashion_mnist`; or `half`, which maps black to -1 and
            white to 1. Without it: `mean` and `std`, or `measured` when there are none either.
        mean: mean of each channel, of pixels in 0..1.
        std: standard deviation of each channel, above 0.

    Raises:
        ValueError: when the numbers are not one a channel, or `stats` stands beside `mean` and `std`.
    """

    def __init__(
        self,
        info: DatasetInfo,
        statistics: Callable[[], ChannelStatistics],
        *,
        stats: Named | None = None,
        mean: tuple[float, ...] | None = None,
        std: tuple[Deviation, ...] | None = None,
    ) -> None:
        if (mean is None) != (std is None):
            raise ValueError("mean and std belong together; one of them is missing")
        if stats is not None and mean is not None:
            raise ValueError(f'stats "{stats}" already says what mean and std are; remove one or the other')
        self._given = _given_statistics(stats, mean, std, info.channels)
        self._measure = statistics
        self._factors: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def apply_batch(self, images: Any, targets: Any, parameters: Row) -> tuple[Any, Any]:
        """Transform images `[B, C, H, W]`, or a list of `[C, H, W]` where sizes differ."""
        if isinstance(images, list):
            return [self._normalized(image) for image in images], targets
        return self._normalized(images), targets

    def _normalized(self, images: Tensor) -> Tensor:
        """As x * (1 / std) - mean / std, for uint8 with 1 / 255 in the scale."""
        scale, shift = self._scale_and_shift(images.device)
        if images.is_floating_point():
            return (images * scale).add_(shift)
        if images.is_cuda:  # one kernel, which reads bytes and writes floats
            return shift.addcmul(images, scale / 255)
        # Made float first: on a CPU the product of uint8 and float takes several times as long.
        floats, scale = images.float(), scale / 255
        rows = floats.movedim(-3, -1)
        if images.ndim == 4 and len(scale) > 1 and rows.is_contiguous():  # channels last: whole rows at once
            width = images.shape[-1]
            scale, shift = scale.flatten().repeat(width), shift.flatten().repeat(width)
            rows.flatten(-2).mul_(scale).add_(shift)
            return floats
        return floats.mul_(scale).add_(shift)

    def _scale_and_shift(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Float32 `[C, 1, 1]` each, made once a device."""
        if device not in self._factors:
            import torch

            known = self._given or self._measure()
            std = torch.tensor(known.std, dtype=torch.float64).view(-1, 1, 1)
            mean = torch.tensor(known.mean, dtype=torch.float64).view(-1, 1, 1)
            self._factors[device] = (1 / std).float().to(device), (-mean / std).float().to(device)
        return self._factors[device]


def _given_statistics(
    stats: str | None, mean: tuple[float, ...] | None, std: tuple[float, ...] | None, channels: int
) -> ChannelStatistics | None:
    """The statistics that the settings hold; None when they are to be measured."""
    if mean is not None and std is not None:
        given, source = ChannelStatistics(mean=mean, std=std), "mean and std have"
        if len(mean) != len(std):
            raise ValueError(
                f"mean has {len(mean)} values but std has {len(std)}; write one a channel in both"
            )
    elif stats == "half":
        return ChannelStatistics(mean=(0.5,) * channels, std=(0.5,) * channels)
    elif stats in STATISTICS:
        given, source = STATISTICS[stats], f'stats "{stats}" has'
    else:
        return None
    if len(given.mean) != channels:
        raise ValueError(
            f"{source} {len(given.mean)} channels but the images have {channels};"
            ' stats "measured" and "half" fit any images'
        )
    return given
