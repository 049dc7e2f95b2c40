"""Classification of image files: a folder for each class."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from imgfw import DataError, DatasetDescription, DatasetInfo, Splits, about

from imgfw_plugins.datasets.file_list import FileList
from imgfw_plugins.datasets.folders import find_images, find_splits, list_folders

if TYPE_CHECKING:
    from torchvision.tv_tensors import Image


@about(
    example={"root": "data/flowers"},
    describe=lambda settings: DatasetDescription(task="classification", channels=settings.channels),
)
def image_folder(*, root: Path, channels: Literal[1, 3] = 3) -> Splits:
    """Images in a folder for each class, with or without folders for train, val and test.

    Either `root/train/CLASS/…`, with `root/val` (or `valid`, `validation`) and `root/test` alike where there
    are such, or `root/CLASS/…`, from which the core cuts the splits. The classes are the sorted names of the
    training folders. Images are found at any depth, by extension in either case (jpg, jpeg, png, bmp, gif,
    webp, tif, tiff, ppm, pgm, pbm), and read when they are needed; hidden files and folders are passed over.

    Images are uint8 `[channels, height, width]`, as `imgfw.read_image` reads them.

    Args:
        root: the folder.
        channels: 3 for RGB, 1 for grey.

    Raises:
        DataError: there are no images, a training class has none, or a class is not among the training ones.
        BadSampleError: an image cannot be read; raised when it is asked for.
    """
    splits = find_splits(root)
    classes = tuple(list_folders(splits["train"]))
    parts = {name: _index(folder, classes, channels) for name, folder in splits.items()}
    _refuse_empty_classes(parts["train"], splits["train"], classes)
    info = DatasetInfo(task="classification", classes=classes, channels=channels)
    return Splits(train=parts["train"], val=parts.get("val"), test=parts.get("test"), info=info)


@dataclass(frozen=True)
class LabelledFiles:
    """Image files and their class indices; a map-style dataset.

    Attributes:
        paths: the files.
        targets: the class index of each.
        channels: channels to read.
    """

    paths: Sequence[Path]
    targets: Sequence[int]
    channels: int

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Image, int]:
        return self.read(index, None)

    def read(self, index: int, least_size: Callable[[int, int], tuple[int, int]] | None) -> tuple[Image, int]:
        """A sample whose image may be decoded as small as `least_size(height, width)` says."""
        from imgfw import read_image

        image = read_image(self.paths[index], self.channels, least_size=least_size)
        return image, self.targets[index]

    def labels(self) -> Sequence[int]:
        """The class index of each image."""
        return list(self.targets)

    def name_of(self, index: int) -> str:
        """The path of an image."""
        return str(self.paths[index])


def _index(folder: Path, classes: tuple[str, ...], channels: int) -> LabelledFiles:
    """List the images of one split.

    Raises:
        DataError: it has a folder that is no class, or no images at all.
    """
    paths: list[Path] = []
    targets: list[int] = []
    for name in list_folders(folder):
        if name not in classes:
            raise DataError(
                f"{folder / name} is no class of the training data ({', '.join(classes)}).",
                "Rename the folder, or give the class a training folder.",
            )
        found = find_images(folder / name)
        paths += found
        targets += [classes.index(name)] * len(found)
    if not paths:
        raise DataError(f"{folder} has no images.", "The layout is a folder for each class: CLASS/NAME.jpg.")
    return LabelledFiles(FileList(paths), array("q", targets), channels)


def _refuse_empty_classes(train: LabelledFiles, folder: Path, classes: tuple[str, ...]) -> None:
    """Raise a DataError if a class has no training images, for nothing could be learned of it."""
    seen = set(train.targets)
    empty = [str(folder / name) for index, name in enumerate(classes) if index not in seen]
    if empty:
        raise DataError(f"No images in {', '.join(empty)}.", "Add some, or remove the folder.")
