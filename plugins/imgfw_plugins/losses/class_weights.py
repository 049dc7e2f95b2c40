"""One weight a class, given or measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgfw import DatasetInfo
    from torch import Tensor


def class_weights(info: DatasetInfo, weights: list[float] | str | None, setting: str) -> Tensor | None:
    """The weights of the classes, float32 `[K]`, or None for equal ones.

    Args:
        info: what is known of the data.
        weights: one number a class, or `balanced`.
        setting: the setting's name, for messages.

    Raises:
        ValueError: for a list of the wrong length, or `balanced` where the counts aren't known.
    """
    import torch

    if weights is None:
        return None
    if isinstance(weights, str):
        return torch.tensor(_balanced(info, setting))
    if len(weights) != info.num_classes:
        raise ValueError(f"{setting} has {len(weights)} values, but there are {info.num_classes} classes")
    return torch.tensor(weights)


def _balanced(info: DatasetInfo, setting: str) -> list[float]:
    """Weights that let every class count alike: n / (K * count); 0 for a class without samples."""
    if info.class_counts is None:
        raise ValueError(
            f'{setting} "balanced" needs the number of samples of each class, which this dataset does not '
            "tell; give a list with one number a class"
        )
    total, num_classes = sum(info.class_counts), info.num_classes
    return [total / (num_classes * count) if count else 0.0 for count in info.class_counts]
