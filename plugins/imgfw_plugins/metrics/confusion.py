"""Metrics that are a function of the confusion matrix.

The matrix is a sum of integer counts, so it doesn't matter in what batches or processes the data came.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
    from torchmetrics import Metric


def from_confusion(
    score: Callable[[Tensor], Tensor], num_classes: int, ignore_index: int | None = None
) -> Metric:
    """A metric that computes a score of the confusion matrix.

    Args:
        score: gets the counts, float32 `[K, K]`, rows true and columns predicted classes; returns a scalar.
        num_classes: K.
        ignore_index: the target that counts for nothing.
    """
    metric = _score_type()(num_classes, ignore_index=ignore_index, validate_args=False)
    metric.score = score
    return metric


@cache
def _score_type() -> type[Metric]:
    """The class of all such metrics, one so that their states can be merged."""
    from torchmetrics.classification import MulticlassConfusionMatrix

    class ConfusionScore(MulticlassConfusionMatrix):
        score: Callable[[Tensor], Tensor]

        def compute(self) -> Tensor:
            return self.score(self.confmat.float())

    return ConfusionScore


def mean_where(present: Tensor, numerators: Tensor, denominators: Tensor) -> Tensor:
    """The mean of the fractions of the classes that are present."""
    return (numerators[present] / denominators[present]).mean()
