"""What logits must look like."""

from __future__ import annotations

from typing import Any


def wrong_shape(outputs: Any, dimensions: int, num_classes: int) -> str:
    """Say what is wrong with logits `[B, K, ...]`; empty when nothing is.

    Args:
        outputs: what a model returned.
        dimensions: how many dimensions they must have.
        num_classes: K.
    """
    shape = getattr(outputs, "shape", None)
    if shape is None:
        return f"it returns {type(outputs).__name__}, not a tensor"
    if len(shape) != dimensions or shape[1] != num_classes:
        wanted = ["B", str(num_classes), "H", "W"][:dimensions]
        return f"it returns {list(shape)}, not [{', '.join(wanted)}]"
    return ""
