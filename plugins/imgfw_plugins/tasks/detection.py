"""Object detection: boxes with a class each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from imgfw import Task

if TYPE_CHECKING:
    from torch import Tensor

_OUTSIDE_TOLERANCE = 1.0
"""Pixels that a box may reach over the image's edge: annotations are often rounded outwards."""


class Detection(Task):
    """Boxes with a class each.

    A dataset's target is a dict: `boxes`, a `torchvision.tv_tensors.BoundingBoxes` `[N, 4]` of any
    format that isn't rotated, and `labels`, class indices `[N]` (0 is a class like any other, not the
    background).

    - targets: a list of one dict an image: `boxes` float32 `[N, 4]` as x1, y1, x2, y2 in pixels, `labels`
      int64 `[N]`, and `image_size` int64 `[2]`, the height and width that the boxes refer to. All are plain
      tensors, which costs models less than a tensor subclass.
    - predictions: a list of one dict an image: `boxes` as above, `scores` float32 `[N]` and `labels`.
    - records: `objects`, each with `label`, `index`, `score` and `box` (x1, y1, x2, y2).
    """

    default_loss: ClassVar[str] = "own_losses"
    default_metrics: ClassVar[tuple[str, ...]] = ("mean_average_precision",)

    def collate(self, targets: Sequence[Any]) -> list[dict[str, Tensor]]:
        """One dict of plain tensors an image."""
        return [_plain(target) for target in targets]

    def check(self, targets: list[dict[str, Tensor]]) -> list[tuple[int, str]]:
        """Find boxes that aren't finite, are inverted, empty or outside, and labels that no class has."""
        problems = ((i, self._problem(target)) for i, target in enumerate(targets))
        return [(i, problem) for i, problem in problems if problem is not None]

    def _problem(self, target: dict[str, Tensor]) -> str | None:
        """The first thing that is wrong with an image's target."""
        boxes, labels, num_classes = target["boxes"], target["labels"], self.info.num_classes
        if len(boxes) != len(labels):
            return f"it has {len(boxes)} boxes, but {len(labels)} labels"
        height, width = target["image_size"].tolist()
        low, high = boxes.amin(dim=1), boxes[:, 2:] - boxes.new_tensor([width, height])
        findings = {
            "is not finite": ~boxes.isfinite().all(dim=1),
            "is inverted": (boxes[:, 2:] < boxes[:, :2]).any(dim=1),
            "has no area": (boxes[:, 2:] == boxes[:, :2]).any(dim=1),
            f"reaches outside the image, which is {width} wide and {height} high": (low < -_OUTSIDE_TOLERANCE)
            | (high > _OUTSIDE_TOLERANCE).any(dim=1),
        }
        for finding, wrong in findings.items():
            for i in wrong.nonzero().flatten().tolist()[:1]:
                corners = ", ".join(f"{number:g}" for number in boxes[i].tolist())
                return f"box {i} (x1, y1, x2, y2 = {corners}) {finding}"
        for i in ((labels < 0) | (labels >= num_classes)).nonzero().flatten().tolist()[:1]:
            label = int(labels[i])
            return f"label {label} of box {i} is not one of the {num_classes} classes (0..{num_classes - 1})"
        return None

    def predictions(self, outputs: list[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
        """Boxes, scores and labels of each image, detached."""
        return [{key: output[key].detach() for key in ("boxes", "scores", "labels")} for output in outputs]

    def records(self, predictions: list[dict[str, Tensor]]) -> list[dict[str, Any]]:
        """The objects of each image."""
        return [{"objects": self._objects(prediction)} for prediction in predictions]

    def _objects(self, prediction: dict[str, Tensor]) -> list[dict[str, Any]]:
        boxes, scores, labels = (prediction[key].tolist() for key in ("boxes", "scores", "labels"))
        return [
            {"label": self.info.classes[index], "index": index, "score": score, "box": box}
            for box, score, index in zip(boxes, scores, labels, strict=True)
        ]


def _plain(target: dict[str, Any]) -> dict[str, Tensor]:
    """A dataset's target as plain tensors, its boxes as x1, y1, x2, y2."""
    import torch
    from torchvision.transforms.v2.functional import convert_bounding_box_format
    from torchvision.tv_tensors import BoundingBoxFormat

    boxes = target["boxes"]
    if boxes.format != BoundingBoxFormat.XYXY:
        boxes = convert_bounding_box_format(boxes, new_format="XYXY")
    labels = torch.as_tensor(target["labels"])
    if len(labels) and labels.is_floating_point():
        raise TypeError(f"labels are class indices, not {labels.dtype}")
    return {
        "boxes": boxes.as_subclass(torch.Tensor).reshape(-1, 4).float(),
        "labels": labels.long(),
        "image_size": torch.tensor(target["boxes"].canvas_size),
    }
