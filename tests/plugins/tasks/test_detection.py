import json

import pytest
import torch
from imgfw import DatasetInfo
from imgfw_plugins.tasks.detection import Detection
from torchvision import tv_tensors


@pytest.fixture
def task():
    return Detection(DatasetInfo(task="detection", classes=("circle", "square")))


def target(boxes, labels, format="XYXY"):
    boxes = torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4)
    return {
        "boxes": tv_tensors.BoundingBoxes(boxes, format=format, canvas_size=(40, 60)),
        "labels": torch.tensor(labels, dtype=torch.int64),
    }


def problems(task, *targets):
    return task.check(task.collate(targets))


def test_targets_become_plain_tensors_with_the_size_of_the_image(task):
    (collated,) = task.collate([target([[1, 2, 3, 4]], [1])])
    assert {type(value) for value in collated.values()} == {torch.Tensor}
    assert collated["boxes"].dtype == torch.float32
    assert collated["labels"].dtype == torch.int64
    assert collated["image_size"].tolist() == [40, 60]


def test_boxes_of_any_format_become_corners(task):
    (collated,) = task.collate([target([[10, 20, 5, 6]], [0], format="XYWH")])
    assert collated["boxes"].tolist() == [[10, 20, 15, 26]]


def test_an_image_without_objects_is_right(task):
    assert problems(task, target([], [])) == []


def test_right_boxes_pass_even_when_rounded_over_the_edge(task):
    assert problems(task, target([[0, 0, 60, 40], [-0.5, 0, 60.5, 40]], [0, 1])) == []


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ([float("nan"), 2, 3, 4], "box 0 (x1, y1, x2, y2 = nan, 2, 3, 4) is not finite"),
        ([5, 2, 3, 4], "box 0 (x1, y1, x2, y2 = 5, 2, 3, 4) is inverted"),
        ([5, 2, 5, 4], "box 0 (x1, y1, x2, y2 = 5, 2, 5, 4) has no area"),
        (
            [5, 2, 10, 45],
            "box 0 (x1, y1, x2, y2 = 5, 2, 10, 45) reaches outside the image, which is 60 wide and 40 high",
        ),
        (
            [-5, 2, 10, 35],
            "box 0 (x1, y1, x2, y2 = -5, 2, 10, 35) reaches outside the image, which is 60 wide and 40 high",
        ),
    ],
)
def test_impossible_boxes_are_found_with_the_position_of_their_image(task, box, reason):
    assert problems(task, target([[1, 2, 3, 4]], [0]), target([box], [0])) == [(1, reason)]


def test_labels_that_no_class_has_are_found(task):
    assert problems(task, target([[1, 2, 3, 4], [1, 2, 3, 4]], [0, 2])) == [
        (0, "label 2 of box 1 is not one of the 2 classes (0..1)")
    ]


def test_a_box_without_label_is_found(task):
    assert problems(task, target([[1, 2, 3, 4]], [])) == [(0, "it has 1 boxes, but 0 labels")]


def test_predictions_and_records_describe_the_objects(task):
    output = {
        "boxes": torch.tensor([[1.0, 2.0, 3.0, 4.0]], requires_grad=True),
        "scores": torch.tensor([0.5]),
        "labels": torch.tensor([1]),
        "keypoints": torch.zeros(1),
    }
    predictions = task.predictions([output])
    assert predictions[0].keys() == {"boxes", "scores", "labels"}
    assert not predictions[0]["boxes"].requires_grad
    (record,) = task.records(predictions)
    assert record == {"objects": [{"label": "square", "index": 1, "score": 0.5, "box": [1.0, 2.0, 3.0, 4.0]}]}
    assert json.loads(json.dumps(record)) == record
