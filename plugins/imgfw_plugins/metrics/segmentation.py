"""Metrics of segmentation, fed with class indices of pixels, both `[B, H, W]`.

Pixels of `info.ignore_index` count for nothing. Counts are taken over all images, so large objects count more
than small ones, and a class that is neither true nor predicted anywhere is left out of a mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfw import about

from imgfw_plugins.metrics.confusion import from_confusion, mean_where

if TYPE_CHECKING:
    from imgfw import DatasetInfo
    from torch import Tensor
    from torchmetrics import Metric


@about(tasks=("segmentation",), results=lambda settings: {"miou": "max"})
def mean_iou(info: DatasetInfo) -> Metric:
    """Intersection over union of the predicted and the true pixels, averaged over the classes.

    Reports `miou`. Source: Everingham et al., "The PASCAL Visual Object Classes Challenge", 2015.
    """
    return from_confusion(_mean_iou, info.num_classes, info.ignore_index)


def _mean_iou(confusion: Tensor) -> Tensor:
    overlap = confusion.diagonal()
    union = confusion.sum(dim=0) + confusion.sum(dim=1) - overlap
    return mean_where(union > 0, overlap, union)


@about(tasks=("segmentation",), results=lambda settings: {"dice_score": "max"})
def dice_score(info: DatasetInfo) -> Metric:
    """Twice the overlap over the sum of the predicted and the true pixels, averaged over the classes."""
    return from_confusion(_dice_score, info.num_classes, info.ignore_index)


def _dice_score(confusion: Tensor) -> Tensor:
    size = confusion.sum(dim=0) + confusion.sum(dim=1)
    return mean_where(size > 0, 2 * confusion.diagonal(), size)


@about(tasks=("segmentation",), results=lambda settings: {"pixel_accuracy": "max"})
def pixel_accuracy(info: DatasetInfo) -> Metric:
    """The share of pixels whose class is right."""
    return from_confusion(
        lambda confusion: confusion.diagonal().sum() / confusion.sum(), info.num_classes, info.ignore_index
    )
