"""Detection with annotations in COCO's JSON format."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from imgfw import (
    BadSampleError,
    DataError,
    DatasetDescription,
    DatasetInfo,
    Splits,
    about,
)

from imgfw_plugins.datasets.file_list import FileList

if TYPE_CHECKING:
    from torch import Tensor
    from torchvision.tv_tensors import Image

Box = tuple[float, float, float, float]


@about(
    tasks=("detection",),
    example={
        "train_images": "data/train2017",
        "train_annotations": "data/annotations/instances_train2017.json",
    },
    describe=lambda settings: DatasetDescription(task="detection", channels=settings.channels),
)
def coco_detection(
    *,
    train_images: Path,
    train_annotations: Path,
    val_images: Path | None = None,
    val_annotations: Path | None = None,
    test_images: Path | None = None,
    test_annotations: Path | None = None,
    channels: Literal[1, 3] = 3,
) -> Splits:
    """Images with boxes for detection, annotated in COCO's JSON format.

    Each split is a folder of images and a JSON file with `images`, `annotations` and `categories`. The
    classes are the categories of the training file by ascending id; other splits must have the same ones.
    Annotations of crowds, and those without width or height, are left out. Images without annotations stay.

    Images are uint8 `[channels, height, width]`, as `imgfw.read_image` reads them. Targets are
    `{"boxes": BoundingBoxes XYXY float32 [N, 4], "labels": int64 [N]}`; boxes are clipped to the image.

    Source: the format is described at https://cocodataset.org/#format-data

    Args:
        train_images: folder of the training images.
        train_annotations: JSON file of the training images.
        val_images: folder of the validation images; none: the core cuts a validation split.
        val_annotations: JSON file of the validation images.
        test_images: folder of the test images.
        test_annotations: JSON file of the test images.
        channels: 3 for RGB, 1 for grey.

    Raises:
        DataError: a file is missing, damaged, names an image that does not exist, or another's categories.
        BadSampleError: an image cannot be read, or a box is outside it; raised when it is asked for.
        ValueError: a split has images or annotations, but not both.
    """
    named = {"val": (val_images, val_annotations), "test": (test_images, test_annotations)}
    for split, (folder, file) in named.items():
        if (folder is None) != (file is None):
            raise ValueError(f"{split}_images and {split}_annotations belong together; one is missing")
    train, categories = _read_split(train_images, train_annotations, channels)
    others: dict[str, AnnotatedFiles] = {}
    for split, (folder, file) in named.items():
        if folder is not None and file is not None:
            others[split], found = _read_split(folder, file, channels)
            if found != categories:
                raise DataError(f"{file} has other categories than {train_annotations}.")
    info = DatasetInfo(task="detection", classes=tuple(categories.values()), channels=channels)
    return Splits(train=train, val=others.get("val"), test=others.get("test"), info=info)


@dataclass(frozen=True)
class AnnotatedFiles:
    """Image files and their boxes; a map-style dataset.

    Attributes:
        paths: the images.
        sizes: height and width of each, as annotated.
        boxes: the boxes of each, XYXY in pixels.
        classes: the class index of each box.
        channels: channels to read.
    """

    paths: Sequence[Path]
    sizes: Sequence[tuple[int, int]]
    boxes: Sequence[Sequence[Box]]
    classes: Sequence[Sequence[int]]
    channels: int

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Image, dict[str, Tensor]]:
        import torch
        from imgfw import read_image
        from torchvision import tv_tensors

        image = read_image(self.paths[index], self.channels)
        height, width = self.sizes[index]
        if tuple(image.shape[1:]) != (height, width):
            raise BadSampleError(
                self.name_of(index),
                f"is {image.shape[2]}x{image.shape[1]} pixels, but its annotation says {width}x{height}",
            )
        clipped = [self._clip(box, index) for box in self.boxes[index]]
        boxes = torch.tensor(clipped, dtype=torch.float32).reshape(-1, 4)
        return image, {
            "boxes": tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(height, width)),
            "labels": torch.tensor(self.classes[index], dtype=torch.int64),
        }

    def _clip(self, box: Box, index: int) -> Box:
        """Cut a box at the image's edges."""
        height, width = self.sizes[index]
        left, top, right, bottom = max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)
        if left >= right or top >= bottom:
            raise BadSampleError(self.name_of(index), f"has a box outside the image: XYXY {list(box)}")
        return left, top, right, bottom

    def name_of(self, index: int) -> str:
        """The path of an image."""
        return str(self.paths[index])


def _read_split(folder: Path, file: Path, channels: int) -> tuple[AnnotatedFiles, dict[int, str]]:
    """Read one split, and its categories as names by ascending id.

    Raises:
        DataError: the annotations cannot be used.
    """
    content = _read_json(file)
    try:
        categories = {item["id"]: item["name"] for item in content["categories"]}
        categories = dict(sorted(categories.items()))
        split = _index(folder, content, {number: i for i, number in enumerate(categories)}, channels)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{file} is not in COCO's format ({type(error).__name__}: {error}).") from error
    missing = [path for path in split.paths if not path.is_file()]
    if missing:
        others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise DataError(f"{file} names {missing[0]}{others}, which does not exist.")
    if not split.paths:
        raise DataError(f"{file} lists no images.")
    return split, categories


def _read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: it is missing or no JSON.
    """
    import json

    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as JSON ({error}).") from error


def _index(folder: Path, content: Any, class_of: dict[int, int], channels: int) -> AnnotatedFiles:
    """Gather the boxes of each image; a KeyError, TypeError or ValueError tells of a wrong format."""
    images = {item["id"]: item for item in content["images"]}
    boxes: dict[int, list[Box]] = defaultdict(list)
    classes: dict[int, list[int]] = defaultdict(list)
    for annotation in content["annotations"]:
        left, top, width, height = map(float, annotation["bbox"])
        if not all(map(math.isfinite, (left, top, width, height))):
            raise ValueError(f"annotation {annotation.get('id')} has the box {annotation['bbox']}")
        owner = images[annotation["image_id"]]["id"]
        if annotation.get("iscrowd") or width <= 0 or height <= 0:
            continue
        boxes[owner].append((left, top, left + width, top + height))
        classes[owner].append(class_of[annotation["category_id"]])
    return AnnotatedFiles(
        paths=FileList(folder / item["file_name"] for item in images.values()),
        sizes=[(int(item["height"]), int(item["width"])) for item in images.values()],
        boxes=[boxes[number] for number in images],
        classes=[classes[number] for number in images],
        channels=channels,
    )
