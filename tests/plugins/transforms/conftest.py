from __future__ import annotations

import pytest
import torch
from imgfw import DatasetInfo, Keys
from torchvision import tv_tensors


@pytest.fixture
def info() -> DatasetInfo:
    return DatasetInfo(task="classification", classes=("cat", "dog"))


@pytest.fixture
def detection_info() -> DatasetInfo:
    return DatasetInfo(task="detection", classes=("cat", "dog"))


@pytest.fixture
def keys():
    """Make the keys of the first so many samples."""
    return lambda count, epoch=0: Keys.of_samples(7, epoch, range(count))


@pytest.fixture
def images():
    """Make a batch of noise."""

    def make(count: int, channels: int = 3, height: int = 32, width: int = 32) -> torch.Tensor:
        generator = torch.Generator().manual_seed(1)
        shape = (count, channels, height, width)
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)

    return make


@pytest.fixture
def one_by_one():
    """Run a transform's sample stage on a batch; return the images and the targets as lists."""

    def run(transform, images, targets, parameters):
        results = []
        for number, (image, target) in enumerate(zip(images, targets, strict=True)):
            row = {name: values[number] for name, values in parameters.items()}
            results.append(transform.apply(tv_tensors.Image(image), target, row))
        return [image for image, _ in results], [target for _, target in results]

    return run


@pytest.fixture
def boxes():
    """Make a detection target."""

    def make(coordinates, height: int, width: int):
        data = torch.tensor(coordinates, dtype=torch.float32).reshape(-1, 4)
        return {
            "boxes": tv_tensors.BoundingBoxes(data, format="XYXY", canvas_size=(height, width)),
            "labels": torch.arange(len(data)),
        }

    return make
