"""Whether bf16 makes training faster on a CPU: a rule, from what was measured (docs/speed.md)."""

from __future__ import annotations

import torch
from torch import nn

_DENSE_WEIGHTS_PER_CHANNEL = 2000
"""What one channel of a depthwise convolution, which bf16 slows down, costs in dense weights, which it speeds
up. Measured: ConvNeXt (4,300 weights a channel) gains, MobileNets, EfficientNets, ShuffleNets (470 to 1,300)
lose."""

_MIN_SIDE = 16
"""Smaller images leave so little work to each weight that converting the weights costs what is gained."""


def is_tiny(image_size: tuple[int, int] | None) -> bool:
    """Whether images are too small to gain from other number formats than torch's own."""
    return image_size is not None and min(image_size) < _MIN_SIDE


def has_bf16() -> bool:
    """Whether the CPU multiplies in bf16."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def bf16_pays(model: nn.Module, image_size: tuple[int, int] | None) -> bool:
    """Whether a model trains faster in bf16, on a CPU that has it.

    Args:
        model: the model; its weights may be on any device.
        image_size: height and width of the images; None where they differ.
    """
    if is_tiny(image_size):
        return False
    dense, channels = 0, 0
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
            channels += module.out_channels
        elif isinstance(module, nn.Conv2d | nn.Linear):
            dense += module.weight.numel()
    return dense > 0 and dense >= _DENSE_WEIGHTS_PER_CHANNEL * channels
