"""Metrics of classification, fed with probabilities `[B, K]` and class indices `[B]`.

Arguments are not validated a batch at a time, which would make the device wait: the task has checked them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from imgfw import Ge, Interval, about

from imgfw_plugins.metrics.confusion import from_confusion, mean_where

if TYPE_CHECKING:
    from imgfw import DatasetInfo
    from torch import Tensor
    from torchmetrics import Metric

Average = Literal["macro", "micro", "weighted"]


def _averaged(name: str) -> Any:
    """The results of a metric with an `average`: `f1`, or `f1_micro`."""
    return lambda settings: {name if settings.average == "macro" else f"{name}_{settings.average}": "max"}


@about(
    tasks=("classification",),
    results=lambda settings: {"accuracy" if settings.top_k == 1 else f"accuracy_top{settings.top_k}": "max"},
)
def accuracy(info: DatasetInfo, *, top_k: Annotated[int, Ge(1)] = 1) -> Metric:
    """The share of images whose class is the likeliest one, or among the likeliest.

    Reports `accuracy`, or `accuracy_top5` and the like.

    Args:
        top_k: among how many of the likeliest classes the true one must be.

    Raises:
        ValueError: when there are fewer classes than `top_k`.
    """
    from torchmetrics.classification import MulticlassAccuracy

    if top_k > info.num_classes:
        raise ValueError(f"top_k is {top_k}, but there are only {info.num_classes} classes")
    return MulticlassAccuracy(info.num_classes, top_k=top_k, average="micro", validate_args=False)


@about(tasks=("classification",), results=lambda settings: {"balanced_accuracy": "max"})
def balanced_accuracy(info: DatasetInfo) -> Metric:
    """The accuracy within each class, averaged over the classes that occur."""
    return from_confusion(_balanced_accuracy, info.num_classes)


def _balanced_accuracy(confusion: Tensor) -> Tensor:
    samples = confusion.sum(dim=1)
    return mean_where(samples > 0, confusion.diagonal(), samples)


@about(tasks=("classification",), results=_averaged("f1"))
def f1(info: DatasetInfo, *, average: Average = "macro") -> Metric:
    """The harmonic mean of precision and recall.

    Reports `f1`, or `f1_micro` and the like.

    Args:
        average: `macro`: of the classes, each counting alike; `weighted`: of the classes, by their numbers of
            images; `micro`: over all decisions.
    """
    from torchmetrics.classification import MulticlassF1Score

    return MulticlassF1Score(info.num_classes, average=average, validate_args=False)


@about(tasks=("classification",), results=_averaged("precision"))
def precision(info: DatasetInfo, *, average: Average = "macro") -> Metric:
    """The share of images given a class that have it.

    Reports `precision`, or `precision_micro` and the like.

    Args:
        average: `macro`: of the classes, each counting alike; `weighted`: of the classes, by their numbers of
            images; `micro`: over all decisions.
    """
    from torchmetrics.classification import MulticlassPrecision

    return MulticlassPrecision(info.num_classes, average=average, validate_args=False)


@about(tasks=("classification",), results=_averaged("recall"))
def recall(info: DatasetInfo, *, average: Average = "macro") -> Metric:
    """The share of images of a class that are given it.

    Reports `recall`, or `recall_micro` and the like.

    Args:
        average: `macro`: of the classes, each counting alike; `weighted`: of the classes, by their numbers of
            images; `micro`: over all decisions.
    """
    from torchmetrics.classification import MulticlassRecall

    return MulticlassRecall(info.num_classes, average=average, validate_args=False)


@about(tasks=("classification",), results=lambda settings: {"auroc": "max"})
def auroc(
    info: DatasetInfo, *, thresholds: Annotated[int, Interval(ge=2, le=10_000)] | None = None
) -> Metric:
    """The area under the ROC curve of each class against the rest, averaged.

    Args:
        thresholds: how many thresholds the curve is drawn with, which needs little memory; exact when left
            out, which keeps all probabilities until the evaluation is complete.
    """
    from torchmetrics.classification import MulticlassAUROC

    return MulticlassAUROC(info.num_classes, thresholds=thresholds, validate_args=False)
