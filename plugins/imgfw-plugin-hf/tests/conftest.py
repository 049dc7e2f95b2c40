"""Fixtures of this plugin's tests. No test uses the network; Hugging Face's cache is a temporary folder."""

from __future__ import annotations

import os
import tempfile

os.environ["HF_HOME"] = tempfile.mkdtemp()
os.environ["HF_HUB_OFFLINE"] = "1"

import datasets
import numpy as np
import pytest
from imgfw import DatasetInfo
from PIL import Image

pytest_plugins = ["imgfw.testing.fixtures"]
datasets.disable_progress_bars()

COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}


def picture(colour: str, number: int) -> Image.Image:
    """A noisy square of one colour."""
    noise = np.random.default_rng(number).integers(-30, 30, (16, 16, 3))
    return Image.fromarray((np.array(COLOURS[colour]) + noise).clip(0, 255).astype(np.uint8))


def rows(count: int, label=list(COLOURS).index) -> dict[str, list]:
    """Columns of pictures and of what `label` makes of their colour's name."""
    colours = [list(COLOURS)[number % 3] for number in range(count)]
    pictures = [picture(colour, number) for number, colour in enumerate(colours)]
    return {"image": pictures, "label": [label(colour) for colour in colours]}


# Not narrower: oneDNN 3.13 crashes in the backward pass of a 1x1 convolution of stride 2, channels last, with
# fewer than 16 input channels and a large image, on a processor with AVX-512.
RESNET = {"embedding_size": 16, "hidden_sizes": [16, 32], "depths": [1, 1], "layer_type": "basic"}
"""A small configuration of transformers' ResNet."""

FEATURES = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list(COLOURS))})


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """A folder with a dataset that `save_to_disk` wrote: 24 rows to train on, 6 to validate, 6 to test."""
    folder = tmp_path_factory.mktemp("saved") / "colours"
    parts = {"train": 24, "validation": 6, "test": 6}
    datasets.DatasetDict(
        {name: datasets.Dataset.from_dict(rows(count), features=FEATURES) for name, count in parts.items()}
    ).save_to_disk(folder)
    return folder


@pytest.fixture
def info():
    """Makes what is known of the data: `info(channels=3, size=(32, 32))`."""

    def make(channels: int = 3, size: tuple[int, int] | None = (32, 32)) -> DatasetInfo:
        return DatasetInfo(task="classification", classes=tuple(COLOURS), channels=channels, image_size=size)

    return make
