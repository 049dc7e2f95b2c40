"""How the terms of a batch become one loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfw import Weighted

if TYPE_CHECKING:
    from torch import Tensor


def weighted(total: Tensor, weight: Tensor) -> Weighted:
    """A sum of terms and their weight; a batch in which nothing counts has the loss 0, not 0 / 0."""
    return Weighted(total, weight.float().clamp(min=1e-12))
