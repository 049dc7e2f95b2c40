"""Image files and mask files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from imgfw import BadSampleError, DataError
from imgfw_plugins.datasets import image_mask_folder
from PIL import Image
from torchvision import tv_tensors

CLASSES = ["ground", "road"]


def write_pair(folder: Path, stem: str, size: tuple[int, int] = (6, 4)) -> None:
    image, mask = folder / "images" / f"{stem}.jpg", folder / "masks" / f"{stem}.png"
    image.parent.mkdir(parents=True, exist_ok=True)
    mask.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 4)).save(image)
    indices = np.zeros((size[1], size[0]), np.uint8)
    indices[0], indices[1] = 1, 255
    coloured = Image.fromarray(indices, "P")
    coloured.putpalette([7, 8, 9] * 256)
    coloured.save(mask)


def test_a_sample_is_an_image_and_the_indices_of_its_palette_mask(tmp_path):
    write_pair(tmp_path, "a")
    splits = image_mask_folder(root=tmp_path, classes=CLASSES)
    image, mask = splits.train[0]
    assert isinstance(mask, tv_tensors.Mask)
    assert image.shape == (3, 4, 6)
    assert [row.unique().tolist() for row in mask] == [[1], [255], [0], [0]]
    assert (splits.val, splits.test) == (None, None)
    assert (splits.info.task, splits.info.classes, splits.info.ignore_index) == (
        "segmentation",
        ("ground", "road"),
        255,
    )


def test_split_folders_are_splits_and_subfolders_are_matched(tmp_path):
    write_pair(tmp_path / "train", "a")
    write_pair(tmp_path / "train", "town/a.1")
    write_pair(tmp_path / "validation", "b")
    splits = image_mask_folder(root=tmp_path, classes=CLASSES)
    assert (len(splits.train), len(splits.val), splits.test) == (2, 1, None)
    assert splits.train.name_of(1) == str(tmp_path / "train/images/town/a.1.jpg")


def test_images_without_a_mask_are_named(tmp_path):
    for stem in "abc":
        write_pair(tmp_path, stem)
    (tmp_path / "masks/b.png").unlink()
    (tmp_path / "masks/c.png").unlink()
    with pytest.raises(DataError, match=r"2 images .* have no mask; missing: .*masks/b\.png, .*masks/c\.png"):
        image_mask_folder(root=tmp_path, classes=CLASSES)


def test_a_folder_without_images_is_named(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match="train/images has no images"):
        image_mask_folder(root=tmp_path, classes=CLASSES)


def test_a_mask_of_another_size_is_named_when_it_is_asked_for(tmp_path):
    write_pair(tmp_path, "a", size=(5, 4))
    train = image_mask_folder(root=tmp_path, classes=CLASSES).train
    with pytest.raises(BadSampleError, match=r"masks/a\.png: is 5x4 pixels, but .*a\.jpg is 6x4"):
        train[0]
