"""The drawn shapes."""

from __future__ import annotations

import torch
from imgfw_plugins.datasets import shapes
from torchvision import tv_tensors


def few(task: str, **settings):
    return shapes(task=task, **{"num_train": 60, "num_val": 5, "num_test": 5, **settings})


def test_the_splits_have_the_sizes_asked_for_and_differ():
    splits = few("classification", num_val=7, num_test=9)
    assert (len(splits.train), len(splits.val), len(splits.test)) == (60, 7, 9)
    assert not torch.equal(splits.train.images[:5], splits.val.images[:5])
    assert not torch.equal(splits.val.images[:5], splits.test.images[:5])


def test_a_picture_is_the_same_however_many_are_drawn():
    few_pictures, more = few("classification").train, few("classification", num_train=80).train
    assert torch.equal(few_pictures.images, more.images[:60])
    assert torch.equal(few_pictures.targets, more.targets[:60])


def test_the_pictures_are_the_same_on_every_machine():
    splits = few("detection", image_size=32, num_train=3)
    image, target = splits.train[0]
    assert image[:, 0, 0].tolist() == [95, 255, 255]
    assert target["boxes"].tolist() == [[8, 1, 20, 12], [0, 3, 11, 14]]


def test_classification_has_one_shape_a_picture_and_every_class():
    splits = few("classification", image_size=40)
    image, label = splits.train[0]
    assert image.shape == (3, 40, 40)
    assert image.dtype == torch.uint8
    assert label in (0, 1, 2)
    assert min(torch.bincount(splits.train.targets).tolist()) > 10
    assert splits.info.classes == ("circle", "square", "triangle")
    assert splits.info.image_size == (40, 40)


def test_segmentation_masks_hold_the_background_and_the_three_shapes():
    splits = few("segmentation")
    image, mask = splits.train[0]
    assert isinstance(mask, tv_tensors.Mask)
    assert mask.shape == image.shape[1:]
    assert splits.train.targets.unique().tolist() == [0, 1, 2, 3]
    assert splits.info.classes == ("background", "circle", "square", "triangle")


def test_pixels_of_a_shape_differ_from_the_ground_in_every_channel():
    splits = few("segmentation", max_shapes=1)
    for image, mask in (splits.train[i] for i in range(60)):
        ground = image[:, mask == 0].float().mean(dim=1)
        shape = image[:, mask > 0].float().mean(dim=1)
        assert (shape - ground).abs().min() > 50


def test_boxes_are_the_extents_of_the_masks():
    masks = few("segmentation", max_shapes=1).train.targets
    boxes = few("detection", max_shapes=1).train
    for index, mask in enumerate(masks):
        target = boxes[index][1]
        rows, columns = torch.nonzero(mask, as_tuple=True)
        extents = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert target["boxes"].tolist() == [[float(edge) for edge in extents]]
        assert target["labels"].tolist() == [int(mask.max()) - 1]


def test_detection_targets_are_boxes_in_the_picture_with_labels():
    splits = few("detection", max_shapes=4)
    counts = set()
    for image, target in (splits.train[i] for i in range(60)):
        boxes, labels = target["boxes"], target["labels"]
        assert isinstance(boxes, tv_tensors.BoundingBoxes)
        assert (boxes.format, boxes.canvas_size) == (tv_tensors.BoundingBoxFormat.XYXY, (96, 96))
        assert (boxes.dtype, labels.dtype) == (torch.float32, torch.int64)
        assert image.shape == (3, 96, 96)
        assert bool((boxes[:, 2:] - boxes[:, :2] >= 16).all())
        assert bool((boxes >= 0).all() and (boxes <= 96).all())
        assert set(labels.tolist()) <= {0, 1, 2}
        counts.add(len(labels))
    assert counts == {1, 2, 3, 4}
    assert splits.info.classes == ("circle", "square", "triangle")


def test_no_shape_hides_most_of_another():
    crowded = few("detection", max_shapes=6).train
    for _, target in (crowded[i] for i in range(60)):
        boxes = target["boxes"].as_subclass(torch.Tensor)
        left, right = boxes[:, None], boxes[None]
        sides = torch.minimum(left[..., 2:], right[..., 2:]) - torch.maximum(left[..., :2], right[..., :2])
        shared = sides.clamp(min=0).prod(dim=2)
        area = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
        share = shared / torch.minimum(area[:, None], area[None])
        assert share.fill_diagonal_(0).max() < 0.35
