"""Drawn shapes for all three tasks: no files, and the same pixels on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from imgfw import DatasetDescription, DatasetInfo, InMemory, Interval, MapDataset, Splits, about

if TYPE_CHECKING:
    from torch import Tensor
    from torchvision.tv_tensors import Image

    from imgfw_plugins.datasets.shape_scenes import Scenes

_MOST_BYTES = 4_000_000_000

_SHAPES = ("circle", "square", "triangle")
_CLASSES = {"classification": _SHAPES, "segmentation": ("background", *_SHAPES), "detection": _SHAPES}


def _describe(settings: Any) -> DatasetDescription:
    return DatasetDescription(
        task=settings.task,
        num_classes=len(_CLASSES[settings.task]),
        channels=3,
        image_size=(settings.image_size, settings.image_size),
    )


@about(describe=_describe)
def shapes(
    *,
    task: Literal["classification", "segmentation", "detection"] = "classification",
    image_size: Annotated[int, Interval(ge=16, le=1024)] = 96,
    num_train: Annotated[int, Interval(ge=1, le=10_000_000)] = 2000,
    num_val: Annotated[int, Interval(ge=1, le=10_000_000)] = 400,
    num_test: Annotated[int, Interval(ge=1, le=10_000_000)] = 400,
    max_shapes: Annotated[int, Interval(ge=1, le=16)] = 3,
) -> Splits:
    """Circles, squares and triangles drawn in memory, for classification, segmentation or detection.

    RGB uint8 `[3, image_size, image_size]`: coloured shapes on coloured, noisy ground. A sample depends on
    its split, its index and the settings `image_size`, `max_shapes` and `task`, not on a seed or the machine.

    - classification: one shape a picture; its class index.
    - segmentation: a mask uint8 `[H, W]`, 0 for the background, then the shapes from 1.
    - detection: `{"boxes": BoundingBoxes XYXY float32 [N, 4], "labels": int64 [N]}`, N from 1 to
      `max_shapes`. A box is around the whole shape; others may hide up to about a quarter of it.

    Args:
        task: what the targets are for.
        image_size: height and width in pixels.
        num_train: training pictures; all are drawn at once, about 2,000 a second at 96 pixels.
        num_val: validation pictures.
        num_test: test pictures.
        max_shapes: the most shapes a picture (segmentation and detection).
    """
    counts = {"train": num_train, "val": num_val, "test": num_test}
    parts = {
        split: _dataset(task, position, count, image_size, max_shapes)
        for position, (split, count) in enumerate(counts.items())
    }
    info = DatasetInfo(task=task, classes=_CLASSES[task], channels=3, image_size=(image_size, image_size))
    return Splits(train=parts["train"], val=parts["val"], test=parts["test"], info=info)


def _dataset(task: str, split: int, count: int, image_size: int, max_shapes: int) -> MapDataset:
    """Draw one split.

    Raises:
        ValueError: it would not fit into `_MOST_BYTES`.
    """
    from imgfw_plugins.datasets.shape_scenes import LARGE, SMALL, draw_scenes

    if count * 3 * image_size**2 > _MOST_BYTES:
        raise ValueError(
            f"{count:,} images of {image_size}x{image_size} pixels take more than {_MOST_BYTES / 1e9:g} GB"
        )
    if task == "classification":
        scenes = draw_scenes(split, count, image_size, 1, LARGE)
        return InMemory(scenes.images, scenes.labels[:, 0])
    scenes = draw_scenes(split, count, image_size, max_shapes, SMALL)
    return InMemory(scenes.images, scenes.masks) if task == "segmentation" else DrawnBoxes(scenes)


class DrawnBoxes:
    """Drawn pictures with boxes around their shapes; a map-style dataset.

    Args:
        scenes: what was drawn.
    """

    def __init__(self, scenes: Scenes) -> None:
        self._scenes = scenes

    def __len__(self) -> int:
        return len(self._scenes.images)

    def __getitem__(self, index: int) -> tuple[Image, dict[str, Tensor]]:
        from torchvision import tv_tensors

        scenes = self._scenes
        image = tv_tensors.Image(scenes.images[index])
        drawn = scenes.labels[index] >= 0
        boxes = tv_tensors.BoundingBoxes(
            scenes.boxes[index][drawn], format="XYXY", canvas_size=tuple(image.shape[1:])
        )
        return image, {"boxes": boxes, "labels": scenes.labels[index][drawn]}
