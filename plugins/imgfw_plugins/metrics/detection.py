"""Metrics of object detection, fed with the task's dicts of boxes, scores and labels."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from imgfw import PluginError, about

if TYPE_CHECKING:
    from torch import Tensor
    from torchmetrics import Metric


@about(tasks=("detection",), results=lambda settings: {"map50_95": "max", "map50": "max"})
def mean_average_precision() -> Metric:
    """Average precision of boxes, averaged over the classes, as COCO computes it.

    Reports `map50_95`, the mean over overlaps (IoU) of 0.50, 0.55, ... 0.95 between detection and object, and
    `map50`, that of 0.50. At most 100 detections an image count. Both are 0 where the data has no object.
    Source: Lin et al., "Microsoft COCO: Common Objects in Context", 2014, and its pycocotools.

    Raises:
        imgfw.PluginError: when pycocotools is not installed.
    """
    if find_spec("pycocotools") is None:
        raise PluginError(
            "The metric mean_average_precision needs pycocotools, which is not installed.",
            "Run: pip install 'imgfw[detection]'",
        )
    from torchmetrics.detection import MeanAveragePrecision

    class NamedAveragePrecision(MeanAveragePrecision):
        def compute(self) -> dict[str, Tensor]:
            results = super().compute()
            return {"map50_95": results["map"].clamp(min=0), "map50": results["map_50"].clamp(min=0)}

    metric = NamedAveragePrecision()
    metric.warn_on_many_detections = False
    return metric
