"""Adapting a model's first layers to the data: other channels than red, green and blue, and small images."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

RGB = 3


def adapt_kernels(weight: Tensor, channels: int) -> Tensor:
    """Turn RGB kernels `[out, 3, h, w]` into kernels for another number of channels.

    For one channel the kernels are summed, which answers to a grey image as the original does to the same
    grey in all three. For others they are repeated and scaled by 3 / channels, which keeps the response's
    size.
    """
    if channels == 1:
        return weight.sum(dim=1, keepdim=True)
    repeats = -(-channels // RGB)
    return weight.repeat(1, repeats, 1, 1)[:, :channels] * (RGB / channels)


def stem_name(model: nn.Module) -> str:
    """The name of the convolution that sees the image, which torchvision's models register first."""
    from torch import nn

    return next(name for name, module in model.named_modules() if isinstance(module, nn.Conv2d))


def adapt_stem(model: nn.Module, channels: int) -> None:
    """Make the first convolution of an RGB model take another number of channels, in place."""
    from torch import nn

    convolution = model.get_submodule(stem_name(model))
    if channels != RGB:
        convolution.weight = nn.Parameter(adapt_kernels(convolution.weight.detach(), channels))
        convolution.in_channels = channels


def adapt_stem_weights(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Make RGB weights fit a model whose stem takes another number of channels, in place."""
    name = f"{stem_name(model)}.weight"
    channels = model.get_parameter(name).shape[1]
    if name in state and state[name].shape[1] == RGB != channels:
        state[name] = adapt_kernels(state[name], channels)


def keep_resolution(model: nn.Module, modules: Sequence[str]) -> bool:
    """Undo the halving that the named modules do, for small images, in place.

    Their convolutions of stride 2 get stride 1 (and 3x3 kernels where these were 7x7); pooling is dropped.

    Returns:
        whether kernels were replaced, so that weights of the original stem no longer fit.
    """
    from torch import nn

    replaced = False
    for name in modules:
        if isinstance(model.get_submodule(name), nn.MaxPool2d):
            model.set_submodule(name, nn.Identity())
            continue
        for part in model.get_submodule(name).modules():
            if isinstance(part, nn.Conv2d) and part.stride == (2, 2):
                part.stride = (1, 1)
                if part.kernel_size == (7, 7):
                    _shrink_kernel(part)
                    replaced = True
    return replaced


def _shrink_kernel(convolution: nn.Conv2d) -> None:
    import torch
    from torch import nn

    kernels = torch.empty(convolution.out_channels, convolution.in_channels, 3, 3)
    nn.init.kaiming_normal_(kernels, mode="fan_out", nonlinearity="relu")
    convolution.weight = nn.Parameter(kernels)
    convolution.kernel_size, convolution.padding = (3, 3), (1, 1)
