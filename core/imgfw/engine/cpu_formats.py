"""Which number formats make training faster on a CPU: rules, from what was measured (docs/speed.md)."""

from __future__ import annotations

import torch
from torch import nn

_DENSE_WEIGHTS_PER_CHANNEL = 2000
"""What a channel of a depthwise convolution, which bf16 slows down, must bring along in dense weights, which
it speeds up. ConvNeXt (4,300 weights a channel) gains; MobileNets, EfficientNets, ShuffleNets (470 to 1,300)
lose."""

_WEIGHTS_PER_PIXEL = 1000
"""Weights of convolutions that may stand against a pixel of a batch. Every step brings each weight into its
format and each gradient out of it; where a weight meets few pixels, that costs more than the arithmetic."""

_MIN_PIXELS = 8192
"""Below that, bf16 gains nothing, whatever the model: 128 images of 8x8, say."""


def has_bf16() -> bool:
    """Whether the CPU multiplies in bf16."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def reuses_weights(model: nn.Module, pixels: int | None) -> bool:
    """Whether each weight of a convolution meets enough pixels in a step for a format of its own.

    Args:
        model: the model; its weights may be on any device.
        pixels: of all images of a micro-batch; None where they differ in size, and are taken to be large.
    """
    convolutions = (module for module in model.modules() if isinstance(module, nn.Conv2d))
    weights = sum(convolution.weight.numel() for convolution in convolutions)
    return pixels is None or weights <= _WEIGHTS_PER_PIXEL * pixels


def bf16_pays(model: nn.Module, pixels: int | None) -> bool:
    """Whether a model trains faster in bf16, on a CPU that has it.

    Without convolutions it depends on the size of the batch too much for a rule: two linear layers ran at
    0.72 to 2.2 times their speed.

    Args:
        model: the model; its weights may be on any device.
        pixels: of all images of a micro-batch; None where they differ in size, and are taken to be large.
    """
    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    depthwise = [layer for layer in convolutions if layer.groups == layer.in_channels > 1]
    dense = sum(layer.weight.numel() for layer in layers) - sum(layer.weight.numel() for layer in depthwise)
    channels = sum(layer.out_channels for layer in depthwise)
    return (
        bool(convolutions)
        and (pixels is None or pixels >= _MIN_PIXELS)
        and reuses_weights(model, pixels)
        and dense >= _DENSE_WEIGHTS_PER_CHANNEL * channels
    )
