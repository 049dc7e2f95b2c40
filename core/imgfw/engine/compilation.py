"""Compiling the model; what CUDA graphs ask of those who call it, they need not know."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only


def compiled(model: nn.Module, setting: bool | str, device: torch.device) -> nn.Module:
    """The model as it is called in training.

    Args:
        model: on its device.
        setting: whether to compile it, or in which of torch.compile's modes: `reduce-overhead` and
            `max-autotune` replay CUDA graphs on a GPU.
        device: where the model is.
    """
    if setting is False:
        return model
    mode = None if setting is True else setting
    forward: Any = torch.compile(model, mode=mode)
    if mode is not None and device.type == "cuda":
        forward = ReplayingModel(forward)
    return forward  # type: ignore[no-any-return]


class ReplayingModel(nn.Module):
    """A model that replays CUDA graphs, to be called as any other.

    A graph writes to the same memory in every step: outputs to where the last ones are, and gradients to
    where parameters have those of the micro-batch before, for autograd takes them over without a copy. So
    outputs are copied, and so are gradients that are still there when the next forward pass begins.

    Args:
        model: what `torch.compile` made.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._model = model
        self._weights = list(model.parameters())

    def forward(self, *inputs: Any) -> Any:
        """Call the model; whatever it returns stays what it is."""
        for weight in self._weights:
            if weight.grad is not None:
                weight.grad = weight.grad.clone()
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        return tree_map_only(Tensor, Tensor.clone, self._model(*inputs))
