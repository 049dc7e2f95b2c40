"""Number formats: the device, the precision of the arithmetic, and the memory format of images."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from imgfw.contract.errors import UsageError
from imgfw.engine import distributed
from imgfw.engine.cpu_formats import bf16_pays, channels_last_pays, has_bf16


@dataclass(frozen=True)
class Precision:
    """How a run computes.

    Attributes:
        device: where the model is.
        name: `fp32`, `bf16` or `fp16`.
        memory_format: of images, and of convolutions' weights.
    """

    device: torch.device
    name: Literal["fp32", "bf16", "fp16"]
    memory_format: torch.memory_format

    def autocast(self) -> AbstractContextManager[Any]:
        """The context of a forward pass."""
        if self.name == "fp32":
            return nullcontext()
        dtype = torch.bfloat16 if self.name == "bf16" else torch.float16
        return torch.autocast(self.device.type, dtype)

    def make_scaler(self) -> torch.amp.GradScaler:
        """What keeps fp16 gradients from vanishing; it does nothing for other formats."""
        return torch.amp.GradScaler(self.device.type, enabled=self.name == "fp16")


def device_type_of(name: str) -> str:
    """The type of the device that a recipe's `train.device` means; nothing is started on it."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name).type


def choose_device(name: str) -> torch.device:
    """The device that a recipe's `train.device` means; a process of several gets a GPU of its own.

    Raises:
        UsageError: it is not there.
    """
    if name == "auto":
        name = device_type_of(name)
    if name.startswith("cuda") and not torch.cuda.is_available():
        hint = 'Look with imgfw doctor for the reason, or set it to "cpu".'
        raise UsageError("train.device asks for a GPU, but torch sees none.", hint)
    if name == "mps" and not torch.backends.mps.is_available():
        raise UsageError("train.device asks for Apple's GPU, but torch sees none.", 'Set it to "auto".')
    if name == "cuda":  # tensors tell which GPU they are on, so the device does too
        number = distributed.local_rank() if distributed.world_size() > 1 else torch.cuda.current_device()
        name = f"cuda:{number}"
    device = torch.device(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def choose_precision(
    device: torch.device,
    precision: str,
    channels_last: bool | str,
    model: nn.Module,
    pixels: int | None = None,
) -> Precision:
    """Settle what the recipe leaves to `auto`, by a rule on the model and the hardware.

    bf16 where a GPU has it, and where a CPU has it and the model gains from it. Channels last for models with
    two-dimensional convolutions, but for those that crash torch in that format, and on a CPU for batches too
    small to gain from it.

    Args:
        device: where the model computes.
        precision: as the recipe has it.
        channels_last: as the recipe has it.
        model: the model.
        pixels: of all images of a micro-batch; None where they differ in size.

    Raises:
        UsageError: fp16 on a CPU.
    """
    if precision == "auto":
        precision = "bf16" if _prefers_bf16(device, model, pixels) else "fp32"
    if precision == "fp16" and device.type == "cpu":
        raise UsageError("fp16 training needs a GPU.", 'Set train.precision to "bf16" or "fp32".')
    if channels_last == "auto":
        channels_last = _prefers_channels_last(device, model, pixels)
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    return Precision(device, precision, memory_format)  # type: ignore[arg-type]


def _prefers_bf16(device: torch.device, model: nn.Module, pixels: int | None) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and has_bf16() and bf16_pays(model, pixels)


def _prefers_channels_last(device: torch.device, model: nn.Module, pixels: int | None) -> bool:
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    if device.type == "cpu" and (any(map(_is_unsafe, convolutions)) or not channels_last_pays(model, pixels)):
        return False
    return bool(convolutions)


def _is_unsafe(convolution: nn.Conv2d) -> bool:
    """Whether torch may crash in the backward pass of a convolution in channels last.

    oneDNN 3.13 (torch 2.15) ends the process with a segmentation fault on CPUs with AVX-512 for 1x1
    convolutions with a stride and fewer than 16 input channels.
    """
    pointwise = convolution.kernel_size == (1, 1) and max(convolution.stride) > 1
    return pointwise and convolution.in_channels < 16
