"""The loss of a batch: whatever outputs, targets and criterion a recipe puts together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from imgfw.contract.errors import PluginError
from imgfw.contract.loss import MixedTargets, Weighted


@dataclass(slots=True)
class LossValue:
    """The loss of a micro-batch: the batch's loss is the sum of the sums over the sum of the weights.

    A step that is one micro-batch needs the mean only, and most criteria give just that: the sum is worked
    out when it is asked for.

    Attributes:
        mean: the micro-batch's own loss: scalar tensor, differentiable.
        weight: number of samples, or a scalar tensor.
        parts: the terms by name, where the criterion has several: scalar tensors, detached.
        given_sum: the sum where the criterion gave it.
    """

    mean: Tensor
    weight: Tensor | float
    parts: dict[str, Tensor] = field(default_factory=dict)
    given_sum: Tensor | None = None

    @property
    def sum(self) -> Tensor:
        """The mean times the weight: scalar tensor, differentiable."""
        return self.mean * self.weight if self.given_sum is None else self.given_sum


class Criterion:
    """Computes a micro-batch's loss.

    A criterion's plain tensor is a mean over the samples. Several terms that weigh samples differently are
    each reduced over the micro-batch first, since one sum cannot hold them.

    Args:
        loss: the criterion of the recipe.
        auxiliary: the weight of each auxiliary output, by its name in the model's outputs.
    """

    def __init__(self, loss: Callable[[Any, Any], Any], auxiliary: Mapping[str, float]) -> None:
        self._loss = loss
        self._auxiliary = auxiliary
        self._vectorizes = True

    def __call__(self, outputs: Any, targets: Any, num_samples: int) -> LossValue:
        """Compute the loss.

        Args:
            outputs: what the model returned.
            targets: as the task collated them, or mixed.
            num_samples: samples in the micro-batch.
        """
        if isinstance(outputs, Tensor):
            return self._value(outputs, targets, num_samples)
        main, others = split_outputs(outputs, self._auxiliary)
        value = self._value(main, targets, num_samples)
        for name, output in others.items():
            part = self._auxiliary[name] * self._value(output, targets, num_samples).mean
            value = LossValue(value.mean + part, value.weight, {**value.parts, name: part.detach()})
        return value

    def _value(self, outputs: Any, targets: Any, num_samples: int) -> LossValue:
        if isinstance(targets, MixedTargets):
            return self._mixed(outputs, targets)
        return _reduce(self._loss(outputs, targets), num_samples)

    def _mixed(self, outputs: Tensor, targets: MixedTargets) -> LossValue:
        """Each sample's loss for both its classes, combined with its own share: a sample is a batch of one
        to the criterion, so that any will do. The weights of classes count in the same shares."""
        first, first_weight = self._by_sample(outputs, targets.first)
        second, second_weight = self._by_sample(outputs, targets.second)
        share, rest = targets.weight, 1 - targets.weight
        total = (share * first + rest * second).sum()
        weight = (share * first_weight + rest * second_weight).sum()
        return LossValue(total / weight, weight.detach(), given_sum=total)

    def _by_sample(self, outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Each sample's sum and weight."""

        def of_one(output: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
            value = _reduce(self._loss(output.unsqueeze(0), label.unsqueeze(0)), 1)
            weight = value.weight
            return value.sum, weight if isinstance(weight, Tensor) else torch.ones_like(value.mean)

        if self._vectorizes:
            try:
                return torch.vmap(of_one)(outputs, labels)
            except RuntimeError:  # the criterion looks at its values, which cannot be vectorised
                self._vectorizes = False
        losses, weights = zip(*(of_one(*pair) for pair in zip(outputs, labels, strict=True)), strict=True)
        return torch.stack(losses), torch.stack(weights)


def split_outputs(outputs: Any, auxiliary: Mapping[str, float]) -> tuple[Any, dict[str, Any]]:
    """Part a model's outputs into the main one and the auxiliary ones that it declares.

    Named tuples give their first field, dicts their `out`; outputs that are absent (None) count for nothing.
    """
    if isinstance(outputs, tuple) and hasattr(outputs, "_fields"):
        named = dict(zip(outputs._fields, outputs, strict=True))
        others = {name: named[name] for name in auxiliary if named.get(name) is not None}
        return outputs[0], others
    if isinstance(outputs, Mapping) and "out" in outputs:
        others = {name: outputs[name] for name in auxiliary if outputs.get(name) is not None}
        return outputs["out"], others
    return outputs, {}


def _reduce(value: Any, num_samples: int) -> LossValue:
    """Bring whatever a criterion returned to one sum and one weight."""
    if isinstance(value, Tensor):
        return LossValue(value, num_samples)
    if isinstance(value, Weighted):
        return LossValue(value.sum / value.weight, value.weight.detach(), given_sum=value.sum)
    if isinstance(value, Mapping) and value:
        terms = {name: _reduce(item, num_samples) for name, item in value.items()}
        if len(terms) == 1:
            return next(iter(terms.values()))
        total = torch.stack([term.mean for term in terms.values()]).sum()
        return LossValue(total, num_samples, {name: term.mean.detach() for name, term in terms.items()})
    raise PluginError(
        f"The loss returned {type(value).__name__}.",
        "A criterion returns a tensor, an imgfw.Weighted, or a dict of them.",
    )
