import pytest
import torch
from imgfw import DataError, DatasetInfo
from imgfw_plugins.tasks.segmentation import Segmentation
from torchvision import tv_tensors


@pytest.fixture
def task():
    return Segmentation(DatasetInfo(task="segmentation", classes=("sky", "road")))


def test_masks_become_one_plain_integer_tensor(task):
    flat = tv_tensors.Mask(torch.zeros(2, 3, dtype=torch.uint8))
    with_channel = tv_tensors.Mask(torch.ones(1, 2, 3, dtype=torch.uint8))
    targets = task.collate([flat, with_channel])
    assert type(targets) is torch.Tensor
    assert targets.dtype == torch.int64
    assert targets.shape == (2, 2, 3)
    assert targets.flatten(1).sum(1).tolist() == [0, 6]


def test_masks_of_different_sizes_are_refused_with_the_way_out(task):
    with pytest.raises(DataError, match=r"2x3, 4x4.*Add resize, center_crop or random_resized_crop"):
        task.collate([torch.zeros(4, 4), torch.zeros(2, 3)])


def test_values_that_are_neither_classes_nor_ignored_are_found(task):
    right = torch.tensor([[0, 1], [255, 0]])
    wrong = torch.tensor([[0, 1], [7, 0]])
    ((position, reason),) = task.check(torch.stack([right, wrong]))
    assert position == 1
    assert reason == ("its mask holds 7 in 1 pixel; known are the 2 classes (0..1) and the ignored value 255")


def test_predictions_are_the_likeliest_class_of_each_pixel(task):
    logits = torch.tensor([[[[0.0, 1.0]], [[1.0, 0.0]]]])
    assert task.predictions(logits).tolist() == [[[1, 0]]]


def test_a_record_holds_the_share_of_each_class_and_the_mask(task):
    (record,) = task.records(torch.tensor([[[0, 0], [1, 0]]]))
    assert record["classes"] == {"sky": 0.75, "road": 0.25}
    assert record["mask_tensor"].dtype == torch.uint8
    assert record["mask_tensor"].tolist() == [[0, 0], [1, 0]]


def test_class_indices_above_255_survive_in_the_mask_of_a_record():
    classes = tuple(str(i) for i in range(300))
    (record,) = Segmentation(DatasetInfo(task="segmentation", classes=classes)).records(
        torch.tensor([[[299]]])
    )
    assert record["mask_tensor"].item() == 299
