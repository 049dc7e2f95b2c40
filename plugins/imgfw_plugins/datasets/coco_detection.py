"""Detection with annotations in COCO's JSON format."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from imgfw import (
    BadSampleError,
    DataError,
    DatasetDescription,
    DatasetInfo,
    Splits,
    about,
)

from imgfw_plugins.datasets.coco_format import Entry, read_coco, shown
from imgfw_plugins.datasets.file_list import FileList
from imgfw_plugins.datasets.folders import name_all

if TYPE_CHECKING:
    from torch import Tensor
    from torchvision.tv_tensors import Image

Id = int | str
Box = tuple[float, float, float, float]

_OUTSIDE_TOLERANCE = 1.0
"""Pixels that a box may reach over the image's edge: annotations are often rounded outwards."""


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
    drop_empty_boxes: bool = False,
) -> Splits:
    """Images with boxes for detection, annotated in COCO's JSON format.

    Each split is a folder of images and a JSON file with `images`, `annotations` and `categories`. The
    classes are the categories of the training file by ascending id; other splits must have the same ones.
    Annotations of crowds are left out. Images without annotations stay.

    An annotation cannot be right if its category is unknown, or its box is not finite, inverted, empty, or
    reaches more than a pixel over the image's edge. Its image is then bad data.

    Images are uint8 `[channels, height, width]`, as `imgfw.read_image` reads them. Targets are
    `{"boxes": BoundingBoxes XYXY float32 [N, 4], "labels": int64 [N]}`; boxes end at the edges of the image.

    Source: the format is described at https://cocodataset.org/#format-data

    Args:
        train_images: folder of the training images.
        train_annotations: JSON file of the training images.
        val_images: folder of the validation images; none: the core cuts a validation split.
        val_annotations: JSON file of the validation images.
        test_images: folder of the test images.
        test_annotations: JSON file of the test images.
        channels: 3 for RGB, 1 for grey.
        drop_empty_boxes: leave out boxes without width or height, as COCO's own train2017 has some, and keep
            their images.

    Raises:
        DataError: a file is missing, damaged, names an image that does not exist, or has other categories.
        BadSampleError: an image or its annotations cannot be used; raised when it is asked for.
        ValueError: a split has images or annotations, but not both.
    """
    named = {"val": (val_images, val_annotations), "test": (test_images, test_annotations)}
    for split, (folder, file) in named.items():
        if (folder is None) != (file is None):
            raise ValueError(f"{split}_images and {split}_annotations belong together; one is missing")
    train, categories = _read_split(train_images, train_annotations, channels, drop_empty_boxes)
    others: dict[str, AnnotatedFiles] = {}
    for split, (folder, file) in named.items():
        if folder is not None and file is not None:
            others[split], found = _read_split(folder, file, channels, drop_empty_boxes)
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
        problems: what is wrong with the annotations of each; empty where nothing is.
        channels: channels to read.
    """

    paths: Sequence[Path]
    sizes: Sequence[tuple[int, int]]
    boxes: Sequence[Sequence[Box]]
    classes: Sequence[Sequence[int]]
    problems: Sequence[str]
    channels: int

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Image, dict[str, Tensor]]:
        from imgfw import read_image

        image = read_image(self.paths[index], self.channels)
        height, width = self.sizes[index]
        if tuple(image.shape[1:]) != (height, width):
            raise BadSampleError(
                self.name_of(index),
                f"is {image.shape[2]}x{image.shape[1]} pixels, but its annotation says {width}x{height}",
            )
        return image, self.target(index)

    def target(self, index: int) -> dict[str, Tensor]:
        """The boxes of an image and their classes."""
        import torch
        from torchvision import tv_tensors

        if self.problems[index]:
            raise BadSampleError(self.name_of(index), self.problems[index])
        height, width = self.sizes[index]
        boxes = torch.tensor(self.boxes[index], dtype=torch.float32).reshape(-1, 4)
        limits = torch.tensor([width, height, width, height], dtype=torch.float32)
        return {
            "boxes": tv_tensors.BoundingBoxes(
                boxes.clamp(min=0).minimum(limits), format="XYXY", canvas_size=(height, width)
            ),
            "labels": torch.tensor(self.classes[index], dtype=torch.int64),
        }

    def name_of(self, index: int) -> str:
        """The path of an image."""
        return str(self.paths[index])


def _read_split(
    folder: Path, file: Path, channels: int, drop_empty_boxes: bool
) -> tuple[AnnotatedFiles, dict[Id, str]]:
    """Read one split, and its categories as names by ascending id.

    Raises:
        DataError: the annotations cannot be used.
    """
    content = read_coco(file)
    categories = dict(sorted((item["id"], item["name"]) for item in content["categories"]))
    images = {item["id"]: item for item in content["images"]}
    _refuse_unknown_images(content["annotations"], images, file)
    class_of = {number: i for i, number in enumerate(categories)}
    split = _index(folder, images, content["annotations"], class_of, channels, drop_empty_boxes)
    missing = [path for path in split.paths if not path.is_file()]
    if missing:
        raise DataError(f"{file} names {len(missing)} images that do not exist: {name_all(missing)}.")
    if not split.paths:
        raise DataError(f"{file} lists no images.")
    return split, categories


def _refuse_unknown_images(annotations: Sequence[Entry], images: dict[Id, Entry], file: Path) -> None:
    unknown = [item for item in annotations if item["image_id"] not in images]
    if unknown:
        named = ", ".join(
            f"annotation {shown(item.get('id'))} the image {shown(item['image_id'])}" for item in unknown[:10]
        )
        more = f" and {len(unknown) - 10} more" if len(unknown) > 10 else ""
        raise DataError(f"{file} has annotations of images that it does not list: {named}{more}.")


def _index(
    folder: Path,
    images: dict[Id, Entry],
    annotations: Sequence[Entry],
    class_of: dict[Id, int],
    channels: int,
    drop_empty_boxes: bool,
) -> AnnotatedFiles:
    """Gather the boxes of each image."""
    boxes: dict[Id, list[Box]] = defaultdict(list)
    classes: dict[Id, list[int]] = defaultdict(list)
    problems: dict[Id, list[str]] = defaultdict(list)
    sizes = {number: (int(item["height"]), int(item["width"])) for number, item in images.items()}
    for annotation in annotations:
        if annotation.get("iscrowd"):
            continue
        owner = annotation["image_id"]
        left, top, width, height = map(float, annotation["bbox"])
        if drop_empty_boxes and (width == 0 or height == 0):
            continue
        problem = _problem(annotation, (left, top, width, height), sizes[owner], class_of)
        if problem:
            problems[owner].append(problem)
            continue
        boxes[owner].append((left, top, left + width, top + height))
        classes[owner].append(class_of[annotation["category_id"]])
    return AnnotatedFiles(
        paths=FileList(folder / item["file_name"] for item in images.values()),
        sizes=[sizes[number] for number in images],
        boxes=[boxes[number] for number in images],
        classes=[classes[number] for number in images],
        problems=["; ".join(problems[number]) for number in images],
        channels=channels,
    )


def _problem(annotation: Entry, box: Box, size: tuple[int, int], class_of: dict[Id, int]) -> str:
    """Say why an annotation cannot be right; empty where nothing is wrong with it."""
    left, top, width, height = box
    beyond = max(-left, -top, left + width - size[1], top + height - size[0])
    if annotation["category_id"] not in class_of:
        problem = f"has the category {shown(annotation['category_id'])}, which the file does not list"
    elif not all(map(math.isfinite, box)):
        problem = f"has the box {_named(box)}, which is not finite"
    elif width < 0 or height < 0:
        problem = f"has the box {_named(box)}, which is inverted"
    elif width == 0 or height == 0:
        hint = '"drop_empty_boxes": true leaves such boxes out'
        problem = f"has the box {_named(box)}, which is empty ({hint})"
    elif beyond > _OUTSIDE_TOLERANCE:
        image = f"{size[1]} wide and {size[0]} high"
        problem = f"has the box {_named(box)}, which reaches outside the image, {image}"
    else:
        return ""
    return f"annotation {shown(annotation.get('id'))} {problem}"


def _named(box: Box) -> str:
    return f"(x, y, width, height = {', '.join(f'{number:.10g}' for number in box)})"
