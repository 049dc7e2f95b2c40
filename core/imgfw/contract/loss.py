"""What a criterion may return besides a tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class Weighted(NamedTuple):
    """A loss whose terms weigh samples differently, kept as a sum and its weight.

    The loss of a batch is `sum / weight`. Parts of a batch, in micro-batches or on other processes, are
    put together as the sum of their sums over the sum of their weights, which a mean of means would not give.

    Attributes:
        sum: scalar tensor, differentiable.
        weight: scalar tensor, the total weight of the terms in `sum`.
    """

    sum: Tensor
    weight: Tensor


class MixedTargets(NamedTuple):
    """Class targets of samples that a transform mixed from two.

    The criterion is computed for both and combined with the weight of each sample.

    Attributes:
        first: int64 `[B]`, the class of the first image.
        second: int64 `[B]`, the class of its partner.
        weight: float32 `[B]`, the share of the first, 0..1.
    """

    first: Tensor
    second: Tensor
    weight: Tensor
