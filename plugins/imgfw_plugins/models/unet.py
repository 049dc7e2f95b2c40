"""A small U-Net."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

from imgfw import Interval, about

from imgfw_plugins.models.own_weights import OwnWeights, load_own_weights

if TYPE_CHECKING:
    from imgfw import DatasetInfo
    from torch import Tensor, nn

HEAD = ("head.",)
_MOST_CHANNELS = 8192


@about(tasks=("segmentation",), min_size=1, head=HEAD)
def unet(
    info: DatasetInfo,
    *,
    pretrained: OwnWeights = False,
    width: Annotated[int, Interval(ge=1, le=512)] = 32,
    depth: Annotated[int, Interval(ge=1, le=6)] = 3,
) -> nn.Module:
    """A small U-Net for segmentation, for images of any size.

    A contracting path of 3x3 convolutions and pooling, and an expanding one that joins what the first saw at
    each scale (Ronneberger, Fischer, Brox 2015, arXiv:1505.04597), with batch norm and padded convolutions.

    Args:
        info: what is known of the data.
        pretrained: weights to start from: a .safetensors, .pth or .pt file, or false.
        width: channels at full resolution; every halving doubles them.
        depth: how many times the image is halved. Sizes that don't divide by 2**depth are padded inside.

    Takes float images `[B, C, H, W]` and returns logits `[B, num_classes, H, W]`.
    """
    if width * 2**depth > _MOST_CHANNELS:
        raise ValueError(
            f"width {width} and depth {depth} make {width * 2**depth:,} channels, "
            f"more than {_MOST_CHANNELS:,}"
        )
    model = _network(info.channels, info.num_classes, [width * 2**level for level in range(depth + 1)])
    load_own_weights(model, pretrained, head=HEAD)
    return model


def _network(channels: int, num_classes: int, widths: list[int]) -> nn.Module:
    import torch
    from torch import nn

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            pairs = list(pairwise(widths))
            self.stem = _double_convolution(channels, widths[0])
            self.down = nn.ModuleList(
                nn.Sequential(nn.MaxPool2d(2), _double_convolution(fine, coarse)) for fine, coarse in pairs
            )
            self.up = nn.ModuleList(
                nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in reversed(pairs)
            )
            self.join = nn.ModuleList(_double_convolution(2 * fine, fine) for fine, _ in reversed(pairs))
            self.head = nn.Conv2d(widths[0], num_classes, 1)

        def forward(self, images: Tensor) -> Tensor:
            height, width = images.shape[-2:]
            features = self.stem(_pad(images, 2 ** len(self.down)))
            seen = []
            for down in self.down:
                seen.append(features)
                features = down(features)
            for up, join in zip(self.up, self.join, strict=True):
                features = join(torch.cat([seen.pop(), up(features)], dim=1))
            return self.head(features)[..., :height, :width]

    return UNet()


def _pad(images: Tensor, multiple: int) -> Tensor:
    from torch.nn.functional import pad

    height, width = images.shape[-2:]
    return pad(images, (0, -width % multiple, 0, -height % multiple))


def _double_convolution(inputs: int, outputs: int) -> nn.Sequential:
    from torch import nn

    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [
            nn.Conv2d(channels, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)
