"""Faults planted into targets: each is found before the first step, with its file and its value."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from imgfw import DataError, DatasetInfo, InMemory, Splits
from imgfw.engine.console import Console
from imgfw.engine.input.bad_data import BadDataPolicy, Quarantine
from imgfw.engine.input.splits import cut_splits
from imgfw.engine.input.target_check import without_bad_targets
from imgfw.recipe.schema import SplitSection
from imgfw_plugins.datasets import coco_detection, image_folder, image_mask_folder, mnist
from imgfw_plugins.tasks import PROVIDERS
from PIL import Image
from torchvision import tv_tensors

TASKS = {provider.__name__.lower(): provider for provider in PROVIDERS}
CLASSES = ("sky", "road", "tree")


def check(splits: Splits, tmp_path: Path, skip: bool = False):
    """What happens to a dataset before the first step."""
    views = cut_splits(splits, SplitSection(val_fraction=0.0), 0)
    sizes = {"train": len(views.train), "test": len(views.test) if views.test else 0}
    policy = BadDataPolicy(skip, 0.5, sizes, Quarantine(tmp_path / "quarantine.csv", lambda sentence: None))
    task = TASKS[splits.info.task](views.info)
    return without_bad_targets(views, task, policy, Console(quiet=True), 0)


def expect(pattern: str, build, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=pattern):
        check(build(), tmp_path)


def in_memory(task: str, targets: torch.Tensor) -> Splits:
    images = torch.zeros(len(targets), 1, 4, 4, dtype=torch.uint8)
    return Splits(train=InMemory(images, targets), info=DatasetInfo(task=task, classes=CLASSES, channels=1))


@pytest.mark.parametrize(
    ("label", "said"),
    [(-1, "-1"), (3, "3"), (255, "255"), (10**12, "1000000000000"), (0.5, "0.5"), (float("nan"), "nan")],
)
def test_a_label_in_memory(tmp_path, label, said):
    labels = torch.tensor([0, 1, 2, 0, label])
    expect(
        rf"sample 4 of the train data: label {said} is no",
        lambda: in_memory("classification", labels),
        tmp_path,
    )


@pytest.mark.parametrize("value", [2.0, -1.0, 0.5, float("nan"), float("inf")])
def test_a_multi_hot_row(tmp_path, value):
    rows = torch.zeros(5, 3)
    rows[3, 1] = value
    pattern = rf"sample 3 of the train data: its multi-hot row holds {value:g} for the class 'road'"
    expect(pattern, lambda: in_memory("multilabel", rows), tmp_path)


def test_a_multi_hot_row_of_another_length(tmp_path):
    pattern = "sample 0 of the train data: its multi-hot row has 4 values, but there are 3 classes"
    expect(pattern, lambda: in_memory("multilabel", torch.zeros(5, 4)), tmp_path)


@pytest.mark.parametrize("value", [3, 254, 1.5])
def test_a_mask_in_memory(tmp_path, value):
    masks = torch.zeros(5, 4, 4, dtype=torch.uint8 if isinstance(value, int) else torch.float32)
    masks[2, 1, :3] = value
    pattern = rf"sample 2 of the train data: its mask holds {value} in 3 pixels; known are the 3 classes"
    expect(pattern, lambda: in_memory("segmentation", masks), tmp_path)


@pytest.mark.parametrize(("split", "label"), [("train", 10), ("train", 255), ("t10k", 10), ("t10k", 77)])
def test_a_label_in_an_idx_file(tmp_path, split, label):
    for name in ("train", "t10k"):
        labels = bytes([1, 2, label if name == split else 3, 4])
        pixels = struct.pack(">HBBIII", 0, 8, 3, 4, 28, 28) + bytes(4 * 28 * 28)
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(pixels)
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, 4) + labels)
    data = "train" if split == "train" else "test"
    pattern = rf"sample 2 of the {data} data: label {label} is not one of the 10 classes"
    expect(pattern, lambda: mnist(root=tmp_path), tmp_path)


class Labelled:
    """Files with a label each from a table, as a third party's dataset may have them."""

    def __init__(self, targets):
        self.targets = targets

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        raise AssertionError("no image may be read")

    def target(self, index):
        return self.targets[index]

    def name_of(self, index):
        return f"{index}.png"


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        (9, "label 9 is not one of the 3 classes"),
        (-1, "label -1 is not one of the 3 classes"),
        (1.5, "its target is none of the task's .*float"),
        ("road", "its target is none of the task's .*str"),
        (None, "its target is none of the task's .*None"),
    ],
)
def test_a_label_of_a_file(tmp_path, label, reason):
    data = Labelled([0, 1, 2, label, 0])
    info = DatasetInfo(task="classification", classes=CLASSES)
    expect(rf"3\.png: {reason}", lambda: Splits(train=data, info=info), tmp_path)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([0, 3], r"label 3 of box 1 is not one of the 3 classes"),
        ([0], r"it has 2 boxes, but 1 labels"),
        ([0.5, 1.0], r"its target is none of the task's .*float"),
    ],
)
def test_a_box_of_a_third_partys_dataset(tmp_path, labels, reason):
    boxes = tv_tensors.BoundingBoxes([[0, 0, 2, 2], [1, 1, 3, 3]], format="XYXY", canvas_size=(4, 4))
    info = DatasetInfo(task="detection", classes=CLASSES)
    data = Labelled([{"boxes": boxes, "labels": torch.tensor(labels)}])
    expect(rf"0\.png: {reason}", lambda: Splits(train=data, info=info), tmp_path)


def write_coco(folder: Path, count: int = 3, **fault) -> dict[str, Path]:
    """Images of 30x20 pixels with a box each; the second one's has a fault."""
    (folder / "images").mkdir()
    for number in range(count):
        Image.new("RGB", (30, 20)).save(folder / f"images/{number}.png")
    boxes = [
        {"id": 100 + number, "image_id": number, "category_id": 5, "bbox": [1, 2, 10, 5]}
        for number in range(count)
    ]
    boxes[1] |= fault
    images = [{"id": n, "file_name": f"{n}.png", "width": 30, "height": 20} for n in range(count)]
    content = {"images": images, "annotations": boxes, "categories": [{"id": 5, "name": "dog"}]}
    (folder / "boxes.json").write_text(json.dumps(content))
    return {"train_images": folder / "images", "train_annotations": folder / "boxes.json"}


BOXES = {
    "is not finite": [[float("nan"), 2, 3, 4], [1, float("inf"), 3, 4]],
    "is inverted": [[9, 2, -3, 4], [9, 9, 3, -4]],
    "is empty": [[9, 2, 0, 4], [9, 9, 3, 0]],
    "reaches outside the image": [
        [-2, 2, 5, 5],
        [26, 2, 5.5, 5],
        [1, -9, 5, 5],
        [1, 17, 5, 5],
        [99, 1, 5, 5],
    ],
}


@pytest.mark.parametrize(
    ("box", "reason"), [(box, reason) for reason, boxes in BOXES.items() for box in boxes]
)
def test_a_box_in_an_annotation_file(tmp_path, box, reason):
    settings = write_coco(tmp_path, bbox=box)
    named = ", ".join(f"{number:g}" for number in box)
    said = re.escape(
        f"images/1.png: annotation 101 has the box (x, y, width, height = {named}), which {reason}"
    )
    expect(said, lambda: coco_detection(**settings), tmp_path)


def test_a_category_that_is_not_listed(tmp_path):
    settings = write_coco(tmp_path, category_id=99)
    expect(r"1\.png: annotation 101 has the category 99", lambda: coco_detection(**settings), tmp_path)


def test_an_annotation_of_an_image_that_is_not_listed(tmp_path):
    settings = write_coco(tmp_path, image_id=99)
    expect(
        r"boxes\.json .* not list: annotation 101 the image 99", lambda: coco_detection(**settings), tmp_path
    )


def test_an_annotated_image_that_does_not_exist(tmp_path):
    settings = write_coco(tmp_path)
    (tmp_path / "images/1.png").unlink()
    expect(r"boxes\.json names 1 .*images/1\.png", lambda: coco_detection(**settings), tmp_path)


def test_all_wrong_boxes_are_counted_and_ten_are_named(tmp_path):
    settings = write_coco(tmp_path, count=20)
    content = json.loads(settings["train_annotations"].read_text())
    for annotation in content["annotations"][:13]:
        annotation["bbox"] = [0, 0, -1, 1]
    settings["train_annotations"].write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"^13 samples of the train split .*; and 3 more") as raised:
        check(coco_detection(**settings), tmp_path)
    assert re.findall(r"annotation (\d+)", str(raised.value)) == [str(100 + number) for number in range(10)]


def write_masks(folder: Path) -> Path:
    for number in range(4):
        for kind in ("images", "masks"):
            (folder / kind).mkdir(exist_ok=True)
        Image.new("RGB", (6, 4)).save(folder / f"images/{number}.jpg")
        Image.fromarray(np.full((4, 6), number % 3, np.uint8)).save(folder / f"masks/{number}.png")
    return folder


def masks_of(root: Path) -> Splits:
    return image_mask_folder(root=root, classes=list(CLASSES))


@pytest.mark.parametrize(("value", "count"), [(3, 1), (7, 24), (254, 6)])
def test_a_value_in_a_mask_file(tmp_path, value, count):
    pixels = np.zeros(24, np.uint8)
    pixels[:count] = value
    Image.fromarray(pixels.reshape(4, 6)).save(write_masks(tmp_path) / "masks/2.png")
    expect(rf"masks/2\.png: its mask holds {value} in {count} pixel", lambda: masks_of(tmp_path), tmp_path)


def test_all_unknown_values_of_a_mask_are_named_with_their_number(tmp_path):
    pixels = np.array([[0, 1, 2, 255], [9, 9, 77, 0]], np.uint8)
    Image.fromarray(pixels).save(write_masks(tmp_path) / "masks/2.png")
    expect(r"holds 9 in 2 pixels, 77 in 1 pixel; known are", lambda: masks_of(tmp_path), tmp_path)


def test_a_mask_of_colours(tmp_path):
    Image.new("RGB", (6, 4)).save(write_masks(tmp_path) / "masks/1.png")
    expect(r"masks/1\.png: has RGB pixels", lambda: masks_of(tmp_path), tmp_path)


def test_a_mask_that_cannot_be_read(tmp_path):
    mask = write_masks(tmp_path) / "masks/3.png"
    mask.write_bytes(mask.read_bytes()[:-20])
    expect(r"masks/3\.png: cannot be decoded", lambda: masks_of(tmp_path), tmp_path)


def test_a_mask_that_is_a_jpeg(tmp_path):
    (write_masks(tmp_path) / "masks/3.png").unlink()
    Image.new("L", (6, 4)).save(tmp_path / "masks/3.jpg")
    expect(r"masks/3\.jpg: is a JPEG", lambda: masks_of(tmp_path), tmp_path)


def test_an_image_without_a_mask(tmp_path):
    (write_masks(tmp_path) / "masks/1.png").unlink()
    expect(
        r"1 images in .*/images have no mask; missing: .*masks/1\.png", lambda: masks_of(tmp_path), tmp_path
    )


def test_a_mask_without_an_image(tmp_path):
    (write_masks(tmp_path) / "images/1.jpg").unlink()
    expect(r"1 masks in .*/masks have no image: .*masks/1\.png", lambda: masks_of(tmp_path), tmp_path)


def test_a_class_folder_that_is_misspelt_in_one_split(tmp_path):
    for name in ("train/cat", "train/dog", "val/cta"):
        (tmp_path / name).mkdir(parents=True)
        Image.new("RGB", (6, 4)).save(tmp_path / name / "a.png")
    expect("val/cta is no class of the training data", lambda: image_folder(root=tmp_path), tmp_path)


def test_what_is_right_stays_and_what_is_wrong_is_left_out_when_skipped(tmp_path):
    root = write_masks(tmp_path)
    Image.new("L", (6, 4), 9).save(root / "masks/2.png")
    views = check(masks_of(root), tmp_path, skip=True)
    assert [views.train.source_of(index)[-5:] for index in range(3)] == ["0.jpg", "1.jpg", "3.jpg"]
    assert "masks/2.png" in (tmp_path / "quarantine.csv").read_text()
