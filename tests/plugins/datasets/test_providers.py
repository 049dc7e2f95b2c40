"""What all built-in datasets have in common."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
from imgfw_plugins.datasets import PROVIDERS, digits, image_mask_folder, shapes


def test_listing_the_datasets_imports_nothing_heavy():
    code = (
        "import sys, imgfw_plugins.datasets;"
        "print([name for name in ('torch', 'numpy', 'PIL', 'pydantic', 'pickle') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_dataset_describes_itself_in_a_sentence():
    for provider in PROVIDERS:
        assert provider.__doc__.splitlines()[0].endswith("."), provider.__name__


@pytest.mark.parametrize("task", ["classification", "segmentation", "detection"])
def test_the_description_of_shapes_is_what_is_drawn(task):
    described = shapes.__imgfw_about__.describe(SimpleNamespace(task=task, image_size=24))
    info = shapes(task=task, image_size=24, num_train=1, num_val=1, num_test=1).info
    assert (described.task, described.num_classes) == (info.task, info.num_classes)
    assert (described.channels, described.image_size) == (info.channels, info.image_size)


def test_the_description_of_digits_is_what_is_shipped():
    described, info = digits.__imgfw_about__.describe(SimpleNamespace()), digits().info
    assert (described.task, described.num_classes) == (info.task, info.num_classes)
    assert (described.channels, described.image_size) == (info.channels, info.image_size)


def test_the_description_of_a_mask_folder_counts_its_classes():
    settings = SimpleNamespace(classes=["a", "b", "c"], channels=1)
    described = image_mask_folder.__imgfw_about__.describe(settings)
    assert (described.task, described.num_classes, described.channels) == ("segmentation", 3, 1)
