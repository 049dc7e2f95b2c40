"""Detection with annotations in COCO's format."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from imgfw import BadSampleError, DataError
from imgfw_plugins.datasets import coco_detection
from PIL import Image
from torchvision import tv_tensors


def box(image: int, category: int, bbox: list[float], **more) -> dict:
    return {"id": 1, "image_id": image, "category_id": category, "bbox": bbox, "iscrowd": 0, **more}


def write(folder: Path, boxes: list[dict], **changes) -> dict[str, Path]:
    """Two pictures of 30x20 pixels with the ids 7 and 3, and two categories with a gap between their ids."""
    images = folder / "images"
    images.mkdir(parents=True)
    for name in ("seven.png", "three.png"):
        Image.new("RGB", (30, 20)).save(images / name)
    content = {
        "images": [
            {"id": 7, "file_name": "seven.png", "width": 30, "height": 20},
            {"id": 3, "file_name": "three.png", "width": 30, "height": 20},
        ],
        "categories": [{"id": 18, "name": "dog"}, {"id": 2, "name": "cat"}],
        "annotations": boxes,
    }
    (folder / "boxes.json").write_text(json.dumps({**content, **changes}))
    return {"train_images": images, "train_annotations": folder / "boxes.json"}


def test_boxes_become_xyxy_and_categories_class_indices(tmp_path):
    splits = coco_detection(**write(tmp_path, [box(3, 18, [1, 2, 10, 5]), box(3, 2, [0, 0, 4, 4])]))
    assert splits.info.classes == ("cat", "dog")
    image, target = splits.train[1]
    assert splits.train.name_of(1).endswith("three.png")
    assert isinstance(target["boxes"], tv_tensors.BoundingBoxes)
    assert target["boxes"].canvas_size == tuple(image.shape[1:]) == (20, 30)
    assert target["boxes"].tolist() == [[1, 2, 11, 7], [0, 0, 4, 4]]
    assert target["labels"].tolist() == [1, 0]


def test_an_image_without_boxes_stays(tmp_path):
    splits = coco_detection(**write(tmp_path, []))
    target = splits.train[0][1]
    assert target["boxes"].shape == (0, 4)
    assert target["labels"].dtype == torch.int64


def test_crowds_are_left_out(tmp_path):
    boxes = [box(7, 2, [0, 0, 9, 9], iscrowd=1), box(7, 2, [1, 1, 2, 2])]
    assert coco_detection(**write(tmp_path, boxes)).train[0][1]["boxes"].tolist() == [[1, 1, 3, 3]]


def test_empty_boxes_are_refused_unless_they_are_to_be_dropped(tmp_path):
    settings = write(tmp_path, [box(7, 2, [5, 5, 0, 3]), box(7, 2, [1, 1, 2, 2])])
    with pytest.raises(BadSampleError, match=r'5, 5, 0, 3.*is empty.*"drop_empty_boxes": true'):
        coco_detection(**settings).train[0]
    dropped = coco_detection(**settings, drop_empty_boxes=True).train
    assert dropped[0][1]["boxes"].tolist() == [[1, 1, 3, 3]]


def test_boxes_that_were_rounded_outwards_end_at_the_edges_of_the_image(tmp_path):
    settings = write(tmp_path, [box(7, 2, [-0.5, 10, 31, 11])])
    assert coco_detection(**settings).train[0][1]["boxes"].tolist() == [[0, 10, 30, 20]]


def test_a_target_is_that_of_the_sample_without_its_image(tmp_path):
    settings = write(tmp_path, [box(3, 18, [1, 2, 10, 5])])
    train = coco_detection(**settings).train
    sample = train[1][1]
    (settings["train_images"] / "three.png").write_bytes(b"")
    target = train.target(1)
    assert target["boxes"].equal(sample["boxes"])
    assert target["boxes"].canvas_size == sample["boxes"].canvas_size
    assert target["labels"].equal(sample["labels"])


def test_every_wrong_annotation_of_an_image_is_named(tmp_path):
    train = coco_detection(**write(tmp_path, [box(7, 2, [31, 1, 5, 5]), box(7, 99, [1, 1, 5, 5])])).train
    with pytest.raises(BadSampleError, match=r"seven\.png: .*reaches outside .*; .*has the category 99"):
        train[0]


def test_an_image_of_another_size_than_annotated_is_named(tmp_path):
    settings = write(tmp_path, [])
    Image.new("RGB", (20, 30)).save(settings["train_images"] / "seven.png")
    with pytest.raises(BadSampleError, match=r"seven\.png: is 20x30 pixels, but its annotation says 30x20"):
        coco_detection(**settings).train[0]


def test_a_missing_image_is_named(tmp_path):
    settings = write(tmp_path, [])
    (settings["train_images"] / "three.png").unlink()
    with pytest.raises(DataError, match=r"boxes\.json names 1 images that do not exist: .*three\.png"):
        coco_detection(**settings)


IMAGE = {"id": 7, "file_name": "seven.png", "width": 30, "height": 20}


def without(entry: dict, name: str) -> dict:
    return {key: value for key, value in entry.items() if key != name}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": None}, 'its "images" is null, not a list'),
        ({"annotations": {}}, 'its "annotations" is an object, not a list'),
        ({"images": []}, "lists no images"),
        ({"images": ["seven.png"]}, "images[0] is a string, not an object"),
        ({"images": [without(IMAGE, "id")]}, 'images[0] has no "id"'),
        ({"images": [without(IMAGE, "width")]}, 'images[0] (id 7) has no "width"'),
        (
            {"images": [IMAGE | {"height": "20"}]},
            'images[0] (id 7) has "height": "20", which should be a number of pixels',
        ),
        (
            {"images": [IMAGE | {"id": [7]}]},
            'images[0] (id [7]) has "id": [7], which should be',
        ),
        ({"images": [IMAGE, IMAGE]}, "images[1] has the id 7, as images[0] has"),
        ({"categories": [{"id": 1}]}, 'categories[0] (id 1) has no "name"'),
        (
            {"categories": [{"id": 1, "name": "a"}, {"id": "2", "name": "b"}]},
            "the ids of its categories are integers and strings",
        ),
        ({"annotations": [box(99, 2, [0, 0, 1, 1])]}, "does not list: annotation 1 the image 99"),
        ({"annotations": [box("7", 2, [0, 0, 1, 1])]}, 'does not list: annotation 1 the image "7"'),
        ({"annotations": [without(box(7, 2, []), "bbox")]}, 'annotations[0] (id 1) has no "bbox"'),
        (
            {"annotations": [box(7, 2, [0, 0, 1, 1]), box(7, 2, [0, 0, 1])]},
            'annotations[1] (id 1) has "bbox": [0, 0, 1], which should be four numbers',
        ),
        (
            {"annotations": [box(7, None, [0, 0, 1, 1])]},
            'annotations[0] (id 1) has "category_id": null, which should be an integer or a string',
        ),
    ],
)
def test_annotations_in_another_format_are_named(tmp_path, changes, said):
    with pytest.raises(DataError, match=rf"boxes\.json.*{re.escape(said)}"):
        coco_detection(**write(tmp_path, [], **changes))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "it holds a list, not an object with images, annotations and categories"),
        ({"images": [IMAGE]}, 'it has no "categories"; it has no "annotations"'),
    ],
)
def test_a_file_that_lacks_lists_is_told_all_of_them(tmp_path, content, said):
    settings = write(tmp_path, [])
    settings["train_annotations"].write_text(json.dumps(content))
    with pytest.raises(DataError, match=re.escape(said)):
        coco_detection(**settings)


def test_of_many_wrong_entries_ten_are_named(tmp_path):
    settings = write(tmp_path, [box(7, 2, [number]) for number in range(12)])
    with pytest.raises(DataError, match=r"annotations\[9\] .*; and more\.") as raised:
        coco_detection(**settings)
    assert "annotations[10]" not in str(raised.value)


def test_ids_may_be_strings_and_crowds_may_lack_a_box(tmp_path):
    crowd = without(box("a", 2, [], iscrowd=1), "bbox")
    changes = {"images": [IMAGE | {"id": "a"}], "annotations": [box("a", 2, [1, 1, 2, 2]), crowd]}
    assert coco_detection(**write(tmp_path, [], **changes)).train[0][1]["labels"].tolist() == [0]


@pytest.mark.parametrize("content", [None, "no json"])
def test_annotations_that_are_missing_or_no_json_are_named(tmp_path, content):
    settings = write(tmp_path, [])
    settings["train_annotations"].unlink()
    if content is not None:
        settings["train_annotations"].write_text(content)
    with pytest.raises(DataError, match=r"boxes\.json cannot be read as JSON"):
        coco_detection(**settings)


def test_other_splits_have_the_same_categories(tmp_path):
    train = write(tmp_path / "train", [])
    val = write(tmp_path / "val", [], categories=[{"id": 2, "name": "cat"}])
    others = {"val_images": val["train_images"], "val_annotations": val["train_annotations"]}
    with pytest.raises(DataError, match="other categories"):
        coco_detection(**train, **others)
    same = {"test_images": train["train_images"], "test_annotations": train["train_annotations"]}
    splits = coco_detection(**train, **same)
    assert (len(splits.test), splits.val) == (2, None)


def test_images_without_annotations_are_a_mistake_in_the_recipe(tmp_path):
    with pytest.raises(ValueError, match="val_images and val_annotations belong together"):
        coco_detection(**write(tmp_path, []), val_images=tmp_path)
