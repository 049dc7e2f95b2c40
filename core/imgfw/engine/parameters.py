"""Which parameters are trained, and in which groups the optimizer gets them."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import Any

from torch import nn

from imgfw.contract.errors import UsageError


def freeze(model: nn.Module, what: str | Sequence[str], head: Sequence[str]) -> int:
    """Exclude parameters from training.

    Args:
        model: the model.
        what: `backbone` for all but the head, or patterns of parameter names, as `layer1.*`.
        head: prefixes of the head's parameter names.

    Returns:
        how many numbers were frozen.

    Raises:
        UsageError: nothing matches, or nothing is left to train.
    """
    names = [name for name, _ in model.named_parameters()]
    if what == "backbone":
        if not head:
            raise UsageError(
                'model.freeze: this model does not say what its head is, so "backbone" is unclear.',
                'List patterns of parameter names instead, as ["layer1.*"].',
            )
        chosen = {name for name in names if not name.startswith(tuple(head))}
    else:
        chosen = set()
        for pattern in [what] if isinstance(what, str) else what:
            matched = fnmatch.filter(names, pattern)
            if not matched:
                raise UsageError(
                    f'model.freeze: no parameter is named "{pattern}".', f"The first is {names[0]}."
                )
            chosen.update(matched)
    if len(chosen) == len(names):
        raise UsageError("model.freeze: nothing is left to train.")
    frozen = 0
    for name, parameter in model.named_parameters():
        if name in chosen:
            parameter.requires_grad_(False)
            frozen += parameter.numel()
    return frozen


def set_training(model: nn.Module) -> None:
    """Put a model into training mode, except batch norms that are frozen: their averages stay as they are."""
    model.train()
    for module in _batch_norms(model):
        if _is_frozen(module):
            module.eval()


def trains_batch_norm(model: nn.Module) -> bool:
    """Whether a model has batch norms that average over the batch, which needs two samples then."""
    return not all(map(_is_frozen, _batch_norms(model)))


def _batch_norms(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


def _is_frozen(batch_norm: nn.Module) -> bool:
    parameters = list(batch_norm.parameters(recurse=False))
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)


def parameter_groups(model: nn.Module, decay_norm_and_bias: bool) -> list[dict[str, Any]]:
    """The trainable parameters as an optimizer's groups.

    Args:
        model: the model.
        decay_norm_and_bias: False puts parameters of at most one dimension (norms' weights, biases) into a
            group with `weight_decay` 0, as "Bag of Tricks for Image Classification" (He et al. 2018) does.
    """
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if decay_norm_and_bias:
        return [{"params": trainable}]
    flat = [parameter for parameter in trainable if parameter.ndim <= 1]
    rest = [parameter for parameter in trainable if parameter.ndim > 1]
    return [{"params": rest}, {"params": flat, "weight_decay": 0.0}]
