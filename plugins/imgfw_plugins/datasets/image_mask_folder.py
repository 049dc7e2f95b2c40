"""Segmentation of image files: a folder of images and a folder of masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from imgfw import (
    BadSampleError,
    DataError,
    DatasetDescription,
    DatasetInfo,
    Interval,
    Len,
    Splits,
    about,
)

from imgfw_plugins.datasets.file_list import FileList
from imgfw_plugins.datasets.folders import find_images, find_splits, name_all

if TYPE_CHECKING:
    from torchvision.tv_tensors import Image, Mask


@about(
    tasks=("segmentation",),
    example={"root": "data/streets", "classes": ["background", "road"]},
    describe=lambda settings: DatasetDescription(
        task="segmentation", num_classes=len(settings.classes), channels=settings.channels
    ),
)
def image_mask_folder(
    *,
    root: Path,
    classes: Annotated[list[str], Len(2)],
    channels: Literal[1, 3] = 3,
    ignore_index: Annotated[int, Interval(ge=0, le=255)] = 255,
) -> Splits:
    """Images and masks for segmentation, in folders `images` and `masks`.

    Either `root/train/images` and `root/train/masks`, with `root/val` (or `valid`, `validation`) and
    `root/test` alike where there are such, or `root/images` and `root/masks`, from which the core cuts the
    splits. The mask of `images/a/b.jpg` is `masks/a/b.png` (or another lossless image of that name).

    Images are uint8 `[channels, height, width]`, as `imgfw.read_image` reads them. Masks are uint8
    `[height, width]`, one class index a pixel, as `imgfw.read_mask` reads them: a palette's indices
    count, not its colours.

    Args:
        root: the folder.
        classes: names of the classes; position is the index in the masks. A background is a class.
        channels: 3 for RGB, 1 for grey.
        ignore_index: the mask value, 0 to 255, of pixels that count for nothing.

    Raises:
        DataError: there are no images, an image has no mask, or a mask no image.
        BadSampleError: an image or mask cannot be read, or their sizes differ; raised when it is asked for.
    """
    parts = {name: _index(folder, channels) for name, folder in find_splits(root).items()}
    info = DatasetInfo(
        task="segmentation", classes=tuple(classes), channels=channels, ignore_index=ignore_index
    )
    return Splits(train=parts["train"], val=parts.get("val"), test=parts.get("test"), info=info)


@dataclass(frozen=True)
class MaskedFiles:
    """Image files and their mask files; a map-style dataset.

    Attributes:
        paths: the images.
        masks: the mask of each.
        channels: channels to read.
    """

    paths: Sequence[Path]
    masks: Sequence[Path]
    channels: int

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Image, Mask]:
        from imgfw import read_image

        image, mask = read_image(self.paths[index], self.channels), self.target(index)
        if image.shape[1:] != mask.shape:
            (height, width), (mask_height, mask_width) = image.shape[1:], mask.shape
            raise BadSampleError(
                str(self.masks[index]),
                f"is {mask_width}x{mask_height} pixels, but {self.paths[index]} is {width}x{height}",
            )
        return image, mask

    def target(self, index: int) -> Mask:
        """The mask of an image."""
        from imgfw import read_mask

        return read_mask(self.masks[index])

    def name_of(self, index: int) -> str:
        """The path of an image."""
        return str(self.paths[index])

    def name_of_target(self, index: int) -> str:
        """The path of a mask."""
        return str(self.masks[index])


def _index(folder: Path, channels: int) -> MaskedFiles:
    """Pair the images of one split with their masks.

    Raises:
        DataError: there are no images, some have no mask, or masks have no image.
    """
    images, masks = folder / "images", folder / "masks"
    paths = find_images(images)
    if not paths:
        raise DataError(f"{images} has no images.", "The layout is images/NAME.jpg and masks/NAME.png.")
    by_stem = {path.relative_to(masks).with_suffix(""): path for path in find_images(masks)}
    stems = [path.relative_to(images).with_suffix("") for path in paths]
    missing = [masks / stem.with_suffix(".png") for stem in stems if stem not in by_stem]
    if missing:
        raise DataError(
            f"{len(missing)} images in {images} have no mask; missing: {name_all(missing)}.",
            "Add them, or remove the images.",
        )
    paired = set(stems)
    alone = [path for stem, path in by_stem.items() if stem not in paired]
    if alone:
        raise DataError(
            f"{len(alone)} masks in {masks} have no image: {name_all(alone)}.",
            "Add the images, or remove the masks.",
        )
    return MaskedFiles(FileList(paths), FileList(by_stem[stem] for stem in stems), channels)
