"""The built-in metrics."""

from __future__ import annotations

from imgfw_plugins.metrics.classification import accuracy, auroc, balanced_accuracy, f1, precision, recall
from imgfw_plugins.metrics.detection import mean_average_precision
from imgfw_plugins.metrics.multilabel import multilabel_accuracy, multilabel_f1
from imgfw_plugins.metrics.segmentation import dice_score, mean_iou, pixel_accuracy

PROVIDERS = [
    accuracy,
    balanced_accuracy,
    f1,
    precision,
    recall,
    auroc,
    multilabel_f1,
    multilabel_accuracy,
    mean_iou,
    dice_score,
    pixel_accuracy,
    mean_average_precision,
]
