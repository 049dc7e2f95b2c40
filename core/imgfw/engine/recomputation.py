"""Activation checkpointing: blocks forget their activations and compute them again for the gradient."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from imgfw.contract.errors import UsageError

_LISTS = (nn.Sequential, nn.ModuleList)


def recompute_blocks(model: nn.Module) -> int:
    """Let the blocks of a model keep only their inputs while they train.

    A block is a module of several layers within an `nn.Sequential` or an `nn.ModuleList`, as ResNet's
    bottlenecks and a transformer's layers are. Weights, their names and results stay the same: dropout
    draws the same numbers again, and batch norms count a batch once.

    Returns:
        how many blocks there are.

    Raises:
        UsageError: the model has none.
    """
    blocks = list(_blocks(model))
    if not blocks:
        raise UsageError(
            "train.activation_checkpointing: the model has no blocks whose activations could be recomputed.",
            "Leave it out, and raise train.accumulate to save memory.",
        )
    for block in blocks:
        # A partial, so that a copy of the model calls the copy's own blocks.
        block.forward = partial(_forward, block)
    return len(blocks)


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The outermost blocks within a module; a class made from `nn.Sequential` is one, a plain one is none."""
    for child in module.children():
        is_block = type(child) not in _LISTS and next(child.children(), None) is not None
        if type(module) in _LISTS and is_block:
            yield child
        else:
            yield from _blocks(child)


def _forward(block: nn.Module, *args: Any, **kwargs: Any) -> Any:
    call = partial(type(block).forward, block)
    if not (block.training and torch.is_grad_enabled()):
        return call(*args, **kwargs)
    return checkpoint(call, *args, use_reentrant=False, context_fn=partial(_contexts, block), **kwargs)


def _contexts(block: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """The contexts of the first computation and of the second."""
    return nullcontext(), _uncounted(block)


@contextmanager
def _uncounted(block: nn.Module) -> Iterator[None]:
    """Let no batch norm take the batch into its running statistics, as it has already."""
    norms = [module for module in block.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [(norm, norm.momentum) for norm in norms]
    counts = [norm.num_batches_tracked for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        norm.num_batches_tracked = None
    try:
        yield
    finally:
        for (norm, momentum), count in zip(momenta, counts, strict=True):
            norm.momentum = momentum
            norm.num_batches_tracked = count
