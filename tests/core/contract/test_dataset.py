"""A dataset in memory is fetched one sample or one batch at a time, with the same content."""

from __future__ import annotations

import pytest
import torch
from imgfw import DatasetInfo, InMemory, MapDataset
from torchvision import tv_tensors

IMAGES = torch.arange(5 * 3 * 4 * 4, dtype=torch.uint8).reshape(5, 3, 4, 4)


def test_a_class_index_is_an_integer() -> None:
    image, target = InMemory(IMAGES, torch.tensor([4, 3, 2, 1, 0]))[1]
    assert isinstance(image, tv_tensors.Image)
    assert torch.equal(image, IMAGES[1])
    assert target == 3
    assert isinstance(target, int)


def test_a_mask_is_a_mask() -> None:
    masks = torch.randint(0, 3, (5, 4, 4))
    _, target = InMemory(IMAGES, masks)[2]
    assert isinstance(target, tv_tensors.Mask)
    assert torch.equal(target, masks[2])


def test_a_multi_hot_row_stays_a_row() -> None:
    _, target = InMemory(IMAGES, torch.eye(5))[2]
    assert target.tolist() == [0, 0, 1, 0, 0]


def test_a_batch_holds_the_samples_asked_for_in_their_order() -> None:
    labels = torch.tensor([4, 3, 2, 1, 0])
    images, targets = InMemory(IMAGES, labels).__getitems__([3, 0, 3])
    assert torch.equal(images, IMAGES[[3, 0, 3]])
    assert targets.tolist() == [1, 4, 1]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_a_batch_lies_in_memory_as_the_whole_does(memory_format: torch.memory_format) -> None:
    dataset = InMemory(IMAGES, torch.zeros(5)).to(torch.device("cpu"), memory_format)
    images, _ = dataset.__getitems__([4, 1])
    assert torch.equal(images, IMAGES[[4, 1]])
    assert images.is_contiguous(memory_format=memory_format)
    assert torch.equal(dataset[4][0], IMAGES[4])


def test_labels_are_told_for_class_indices_only() -> None:
    assert InMemory(IMAGES, torch.tensor([4, 3, 2, 1, 0])).labels() == [4, 3, 2, 1, 0]
    assert InMemory(IMAGES, torch.eye(5)).labels() is None


def test_images_and_targets_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="5 images but 4 targets"):
        InMemory(IMAGES, torch.zeros(4))


def test_it_is_a_map_style_dataset() -> None:
    dataset = InMemory(IMAGES, torch.zeros(5))
    assert isinstance(dataset, MapDataset)
    assert len(dataset) == 5


def test_the_number_of_classes_is_that_of_their_names() -> None:
    assert DatasetInfo(task="classification", classes=("cat", "dog")).num_classes == 2
