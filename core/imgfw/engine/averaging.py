"""The moving average of a model's weights."""

from __future__ import annotations

import copy

import torch
from torch import nn


class WeightAverage:
    """An exponential moving average of a model's weights and buffers, updated after every optimizer step.

    The decay rises to what is asked for as `(1 + steps) / (10 + steps)`, so that the random weights of the
    beginning are soon forgotten (the rule of TensorFlow's ExponentialMovingAverage). torch's own
    `AveragedModel` counts its steps in a tensor, and a GPU would have to be waited for to read it.

    Args:
        model: what is averaged, where it trains and in its memory format.
        decay: share of the average that a step keeps.
        steps: updates that the model's present weights, an average already, have seen.
    """

    def __init__(self, model: nn.Module, decay: float, steps: int = 0) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.steps = steps
        self._decay = decay
        pairs = list(zip(_tensors(self.model), _tensors(model), strict=True))
        self._means = [(own, other) for own, other in pairs if own.is_floating_point()]
        self._counts = [(own, other) for own, other in pairs if not own.is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """Take the model's present weights into the average."""
        self.steps += 1
        decay = min(self._decay, (1 + self.steps) / (10 + self.steps))
        means, weights = zip(*self._means, strict=True)
        torch._foreach_lerp_(means, weights, 1 - decay)
        for own, other in self._counts:
            own.copy_(other)


def _tensors(model: nn.Module) -> list[torch.Tensor]:
    return [*model.parameters(), *model.buffers()]
