"""Metrics of object detection, fed with the task's dicts of boxes, scores and labels."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from imgfw import PluginError, about

if TYPE_CHECKING:
    from torch import Tensor
    from torchmetrics import Metric

    Images = list[dict[str, Tensor]]

_PARTS = {"found": ("boxes", "scores", "labels"), "true": ("boxes", "labels")}
"""What is kept of each image, by side."""


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
    return _metric_type()()


@cache
def _metric_type() -> type[Metric]:
    """The metric's class.

    Its states are flat float32 tensors, with the number of boxes of each image beside them: torchmetrics
    gathers such states from processes that saw different numbers of images, or none. Its own
    MeanAveragePrecision keeps a tensor an image, which it cannot gather then.
    """
    import torch
    from torchmetrics import Metric
    from torchmetrics.utilities import dim_zero_cat

    class BoxAveragePrecision(Metric):
        full_state_update = False

        def __init__(self) -> None:
            super().__init__()
            for side, parts in _PARTS.items():
                for part in (*parts, "counts"):
                    self.add_state(f"{side}_{part}", default=[], dist_reduce_fx="cat")

        def update(self, predictions: Images, targets: Images) -> None:
            self._keep("found", predictions)
            self._keep("true", targets)

        def compute(self) -> dict[str, Tensor]:
            return _coco_results(list(zip(self._images("found"), self._images("true"), strict=True)))

        def _keep(self, side: str, images: Images) -> None:
            for part in _PARTS[side]:
                values = torch.cat([image[part] for image in images]).flatten().float()
                getattr(self, f"{side}_{part}").append(values)
            counts = torch.tensor([float(len(image["labels"])) for image in images], device=self.device)
            getattr(self, f"{side}_counts").append(counts)

        def _images(self, side: str) -> Images:
            counts = dim_zero_cat(getattr(self, f"{side}_counts")).int().tolist()
            columns = {part: dim_zero_cat(getattr(self, f"{side}_{part}")).cpu() for part in _PARTS[side]}
            columns["boxes"] = columns["boxes"].reshape(-1, 4)
            columns["labels"] = columns["labels"].long()
            rows = zip(*(column.split(counts) for column in columns.values()), strict=True)
            return [dict(zip(columns, row, strict=True)) for row in rows]

    return BoxAveragePrecision


def _coco_results(images: list[tuple[dict[str, Tensor], dict[str, Tensor]]]) -> dict[str, Tensor]:
    """The results for images, each with what was found and what is true.

    Where scores are equal, the order of the images decides; it is made the same however many processes the
    images came from.
    """
    from torchmetrics.detection import MeanAveragePrecision

    images = sorted(images, key=lambda image: [part.tolist() for side in image for part in side.values()])
    metric = MeanAveragePrecision(sync_on_compute=False)
    metric.warn_on_many_detections = False
    metric.update([found for found, _ in images], [true for _, true in images])
    results = metric.compute()
    return {"map50_95": results["map"].clamp(min=0), "map50": results["map_50"].clamp(min=0)}
