"""A U-Net on one of timm's encoders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from imgfw import Ge, about

from imgfw_plugin_timm.names import check_model
from imgfw_plugin_timm.settings import Option, Share

if TYPE_CHECKING:
    from imgfw import DatasetInfo
    from torch import Tensor, nn


@about(tasks=("segmentation",), head=("decoder.", "head."), example={"encoder": "test_resnet"})
def timm_unet(
    info: DatasetInfo,
    *,
    encoder: str,
    pretrained_encoder: bool | Path = False,
    width: Annotated[int, Ge(1)] = 64,
    drop_path_rate: Share | None = None,
    options: dict[str, Option] | None = None,
) -> nn.Module:
    """A U-Net for segmentation whose contracting path is any timm model that gives its features.

    From the coarsest features to the finest, each step doubles the resolution, joins what the encoder saw
    there, and mixes both with two 3x3 convolutions (Ronneberger et al. 2015, arXiv:1505.04597). Encoders of
    one resolution, as plain vision transformers, have their last layers joined.

    Args:
        info: what is known of the data.
        encoder: the architecture, as `resnet34` or `convnext_tiny.in12k_ft_in1k`.
        pretrained_encoder: weights of a classifier for the encoder to start from: true for those that timm
            publishes, or a file (.safetensors, .pth, .pt). Kernels are adapted to the data's channels.
        width: channels of the decoder at every resolution.
        drop_path_rate: as of `timm_model`.
        options: further arguments of the architecture.

    Takes float images `[B, C, H, W]` of any size that the encoder takes, and returns logits
    `[B, num_classes, H, W]`.

    Raises:
        ValueError: for a name that timm does not know, and for settings that the architecture does not have.
        imgfw.DataError: for weights that cannot be had or don't fit.
    """
    from imgfw_plugin_timm.building import arguments_for

    config = check_model("encoder", encoder)
    arguments = arguments_for(info, config, options or {}, drop_path_rate=drop_path_rate)
    features = _encoder(encoder, config, pretrained_encoder, arguments)
    return _network(features, width, info.num_classes)


def _encoder(name: str, config: Any, pretrained: bool | Path, arguments: dict[str, Any]) -> nn.Module:
    from imgfw_plugin_timm.building import create, create_from_file, create_pretrained, read_state
    from imgfw_plugin_timm.classifier import with_weights_of

    if isinstance(pretrained, Path):
        # The encoder alone would take a file of anything without a word: it lacks the last layers anyway.
        with_weights_of(pretrained, name, config, 0, arguments)
        state = read_state(pretrained)
        return create_from_file(
            name, config, state, pretrained, num_classes=0, features_only=True, **arguments
        )
    if pretrained:
        return create_pretrained(name, config, features_only=True, **arguments)
    return create(name, features_only=True, **arguments)


def _network(encoder: nn.Module, width: int, num_classes: int) -> nn.Module:
    import torch
    from torch import nn
    from torch.nn.functional import interpolate

    channels = encoder.feature_info.channels()
    last = str(getattr(encoder, "output_fmt", "NCHW")).endswith("NHWC")

    class TimmUNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder
            coarser = [channels[-1], *[width] * (len(channels) - 2)]
            self.decoder = nn.ModuleList(
                _double_convolution(above + skip, width)
                for above, skip in zip(coarser, reversed(channels[:-1]), strict=True)
            )
            self.head = nn.Conv2d(width if len(channels) > 1 else channels[-1], num_classes, 1)

        def forward(self, images: Tensor) -> Tensor:
            *skips, features = (seen.permute(0, 3, 1, 2) if last else seen for seen in self.encoder(images))
            for skip, block in zip(reversed(skips), self.decoder, strict=True):
                features = block(torch.cat([_resized(features, skip), skip], dim=1))
            return _resized(self.head(features), images)

    def _resized(features: Tensor, like: Tensor) -> Tensor:
        return interpolate(features, size=like.shape[-2:], mode="bilinear", align_corners=False)

    return TimmUNet()


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
