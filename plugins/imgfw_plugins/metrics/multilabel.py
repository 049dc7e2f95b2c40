"""Metrics of multi-label classification, fed with probabilities and multi-hot rows, both `[B, K]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from imgfw import Gt, Lt, about

if TYPE_CHECKING:
    from imgfw import DatasetInfo
    from torchmetrics import Metric

Threshold = Annotated[float, Gt(0), Lt(1)]


@about(tasks=("multilabel",), results=lambda settings: {"multilabel_f1": "max"})
def multilabel_f1(info: DatasetInfo, *, threshold: Threshold = 0.5) -> Metric:
    """The harmonic mean of precision and recall, averaged over the classes.

    Args:
        threshold: the probability above which an image is given a class.
    """
    from torchmetrics.classification import MultilabelF1Score

    return MultilabelF1Score(info.num_classes, threshold=threshold, average="macro", validate_args=False)


@about(tasks=("multilabel",), results=lambda settings: {"multilabel_accuracy": "max"})
def multilabel_accuracy(info: DatasetInfo, *, threshold: Threshold = 0.5) -> Metric:
    """The share of all decisions, one an image and class, that are right.

    Args:
        threshold: the probability above which an image is given a class.
    """
    from torchmetrics.classification import MultilabelAccuracy

    return MultilabelAccuracy(info.num_classes, threshold=threshold, average="micro", validate_args=False)
