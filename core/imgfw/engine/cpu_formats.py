"""Which number formats make training faster on a CPU: rules, from what was measured (docs/speed.md)."""

from __future__ import annotations

import torch
from torch import nn

_DENSE_WORK = 600
"""Multiplications in dense layers that must come with each output of a depthwise convolution, since bf16
speeds those up and slows this down. MobileNets, MNASNets, ShuffleNets and EfficientNets (80 to 360) lose;
EfficientNetV2 (940), which begins with dense convolutions, MaxViT (1,500) and ConvNeXt (1,900) gain."""

_MIN_PIXELS = 8192
"""Below that, bf16 gains nothing, whatever the model: 128 images of 8x8, say."""

_WEIGHTS_PER_PIXEL = 7500
"""Weights that may stand against a pixel of a batch in bf16, since every step makes a copy of each. VGGs
gained at 4,100 and lost at 8,400."""

_MANY_PIXELS = 50_000
"""From there on, which is an image of 224x224, channels last costs nothing, whatever the model."""

_KERNEL_WEIGHTS_PER_PIXEL = 300
"""Weights of kernels larger than 1x1 that may stand against a pixel of a smaller batch in channels last:
every step brings each into the format that a convolution works in, and its gradient out of it. ResNet-18
lost at 340."""

_DEPTHWISE_WEIGHTS_PER_PIXEL = 700
"""The same where depthwise convolutions have most of the work: weights of all convolutions. EfficientNets
gained at 320, and lost at 870."""


def has_bf16() -> bool:
    """Whether the CPU multiplies in bf16."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def channels_last_pays(model: nn.Module, pixels: int | None) -> bool:
    """Whether a model with convolutions trains at least as fast in channels last.

    Args:
        model: the model; its weights may be on any device.
        pixels: of all images of a micro-batch; None where they differ in size, and are taken to be large.
    """
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    most = _DEPTHWISE_WEIGHTS_PER_PIXEL
    if _is_dense(model):
        most = _KERNEL_WEIGHTS_PER_PIXEL
        convolutions = [convolution for convolution in convolutions if convolution.kernel_size != (1, 1)]
    weights = sum(convolution.weight.numel() for convolution in convolutions)
    return pixels is None or pixels >= _MANY_PIXELS or weights <= most * pixels


def bf16_pays(model: nn.Module, pixels: int | None) -> bool:
    """Whether a model trains faster in bf16, on a CPU that has it.

    Without convolutions it depends on the size of the batch too much for a rule: two linear layers ran at
    0.72 to 2.2 times their speed.

    Args:
        model: the model; its weights may be on any device.
        pixels: of all images of a micro-batch; None where they differ in size, and are taken to be large.
    """
    if not any(isinstance(module, nn.Conv2d) for module in model.modules()):
        return False
    weights = sum(parameter.numel() for parameter in model.parameters())
    enough = pixels is None or pixels >= max(_MIN_PIXELS, weights / _WEIGHTS_PER_PIXEL)
    return enough and _is_dense(model)


def _is_dense(model: nn.Module) -> bool:
    """Whether dense layers have enough to do beside depthwise convolutions.

    A layer is taken to see the image after the strides of all convolutions that were registered before it;
    linear layers after the last convolution are taken for the head, which sees one position.
    """
    dense = depthwise = linear = 0.0
    shrunk = 1
    for module in model.modules():
        if isinstance(module, nn.Linear):
            linear += module.weight.numel() / shrunk
        elif isinstance(module, nn.Conv2d):
            shrunk *= module.stride[0] * module.stride[1]
            dense, linear = dense + linear, 0.0
            if _is_depthwise(module):
                depthwise += module.out_channels / shrunk
            else:
                dense += module.weight.numel() / shrunk
    return dense >= _DENSE_WORK * depthwise


def _is_depthwise(convolution: nn.Conv2d) -> bool:
    return convolution.groups == convolution.in_channels > 1
