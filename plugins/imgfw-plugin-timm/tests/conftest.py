"""Fixtures of this plugin's tests. No test uses the network: timm looks into its cache only."""

from __future__ import annotations

import os

import pytest
from imgfw import DatasetInfo

os.environ["HF_HUB_OFFLINE"] = "1"

pytest_plugins = ["imgfw.testing.fixtures"]


@pytest.fixture
def info():
    """Makes what is known of the data: `info(classes=3, channels=3, size=(32, 32))`."""

    def make(classes: int = 3, channels: int = 3, size: tuple[int, int] | None = (32, 32)) -> DatasetInfo:
        names = tuple(f"class{number}" for number in range(classes))
        return DatasetInfo(task="classification", classes=names, channels=channels, image_size=size)

    return make
