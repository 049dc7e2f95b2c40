"""A small residual network for small images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from imgfw import Interval, about

from imgfw_plugins.models.own_weights import OwnWeights, load_own_weights

if TYPE_CHECKING:
    from imgfw import DatasetInfo
    from torch import nn

HEAD = ("head.",)


@about(tasks=("classification", "multilabel"), min_size=8, head=HEAD)
def resnet9(
    info: DatasetInfo, *, pretrained: OwnWeights = False, width: Annotated[int, Interval(ge=1, le=512)] = 16
) -> nn.Module:
    """A small and fast residual network for images of 8 to 64 pixels.

    Nine layers with weights: a convolution, three stages that halve the image and double the channels, two of
    them with a residual block, the maximum over what is left, and a linear layer. After the networks made for
    the DAWNBench competition (David Page, "How to train your ResNet", 2018); here each stage pools before it
    widens, which costs a quarter and suits a CPU.

    Args:
        info: what is known of the data.
        pretrained: weights to start from: a .safetensors, .pth or .pt file, or false.
        width: channels of the first convolution; the last stage has eight times as many.

    Takes float images `[B, C, H, W]` and returns logits `[B, num_classes]`.
    """
    from collections import OrderedDict

    from torch import nn

    model = nn.Sequential(
        OrderedDict(
            stem=_unit(info.channels, width),
            stage1=nn.Sequential(nn.MaxPool2d(2), _unit(width, 2 * width), _residual(2 * width)),
            stage2=nn.Sequential(nn.MaxPool2d(2), _unit(2 * width, 4 * width)),
            stage3=nn.Sequential(nn.MaxPool2d(2), _unit(4 * width, 8 * width), _residual(8 * width)),
            pool=nn.AdaptiveMaxPool2d(1),
            flatten=nn.Flatten(),
            head=nn.Linear(8 * width, info.num_classes),
        )
    )
    load_own_weights(model, pretrained, head=HEAD)
    return model


def _unit(inputs: int, outputs: int) -> nn.Sequential:
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def _residual(channels: int) -> nn.Module:
    from torch import Tensor, nn

    class Residual(nn.Sequential):
        def forward(self, features: Tensor) -> Tensor:
            return features + super().forward(features)

    return Residual(_unit(channels, channels), _unit(channels, channels))
