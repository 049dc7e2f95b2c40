"""What the tests of the models share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from imgfw import DatasetInfo
from imgfw_plugins.models import PROVIDERS
from torch import nn

BY_NAME = {provider.__name__: provider for provider in PROVIDERS}


def describe_data(
    task: str = "classification",
    classes: int = 10,
    channels: int = 3,
    size: tuple[int, int] | None = None,
) -> DatasetInfo:
    names = tuple(f"class{number}" for number in range(classes))
    return DatasetInfo(task=task, classes=names, channels=channels, image_size=size)


@pytest.fixture
def info() -> Callable[..., DatasetInfo]:
    """Makes the description of a dataset: `info(classes=10, channels=3, size=None)`."""
    return describe_data


@pytest.fixture
def build() -> Callable[..., nn.Module]:
    """Builds a model: `build("resnet18", info, small_input=True)`, for ten RGB classes by default."""

    def build_model(name: str, data: DatasetInfo | None = None, **settings: object) -> nn.Module:
        return BY_NAME[name](data or describe_data(), **settings)

    return build_model
