"""Where a CPU's training reads its images: between the steps, or in workers."""

from __future__ import annotations

import json

import imgfw
import pytest
import torch
from imgfw import DatasetInfo
from imgfw.engine.input.in_line import step_dwarfs_input
from imgfw.engine.input.splits import SplitView
from torch import nn

from tests.core.engine.conftest import CLASSIFICATION

_SIDE = 64
_PLUGIN = """
import imgfw
import torch
from torch import nn

class OneByOne:
    def __len__(self):
        return 40

    def __getitem__(self, index):
        return torch.full((3, 64, 64), index, dtype=torch.uint8), index % 2

def one_by_one():
    '''Images that come one by one.'''
    info = imgfw.DatasetInfo(task="classification", classes=("even", "odd"), channels=3, image_size=(64, 64))
    return imgfw.Splits(train=OneByOne(), val=OneByOne(), info=info)

def deep(*, depth: int):
    '''Convolutions, followed by an average.'''
    layers = [nn.Conv2d(64, 64, 3, padding=1) for _ in range(depth)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 2)]
    return nn.Sequential(nn.Conv2d(3, 64, 1), *layers, *head)

@imgfw.hookimpl
def imgfw_datasets():
    return [one_by_one]

@imgfw.hookimpl
def imgfw_models():
    return [deep]
"""


class _Images:
    """Images of one size; the first few cannot be read."""

    def __init__(self, height, width, unreadable=0):
        self.shape = (3, height, width)
        self.unreadable = unreadable

    def __len__(self):
        return 10

    def __getitem__(self, index):
        if index < self.unreadable:
            raise imgfw.BadSampleError(f"{index}.jpg", "is empty")
        return torch.zeros(self.shape, dtype=torch.uint8), 0


def _info(image_size):
    return DatasetInfo(task="classification", classes=("a", "b"), channels=3, image_size=image_size)


def _dwarfs(depth, images, *, cores=4, image_size=(_SIDE, _SIDE)):
    """Each of the convolutions is 0.3 GFLOP: a step of `depth` ms on one core."""
    layers = [nn.Conv2d(64, 64, 3, padding=1) for _ in range(depth)]
    model = nn.Sequential(nn.Conv2d(3, 64, 1), *layers)
    return step_dwarfs_input(model, _info(image_size), SplitView("train", images), cores)


def test_a_long_step_dwarfs_small_images():
    assert _dwarfs(8, _Images(64, 64))
    assert not _dwarfs(2, _Images(64, 64))


def test_more_cores_make_the_step_shorter_but_not_the_input():
    assert _dwarfs(8, _Images(64, 64), cores=4)
    assert not _dwarfs(8, _Images(64, 64), cores=16)


def test_large_images_take_long_to_read():
    assert not _dwarfs(8, _Images(1000, 1000))


def test_samples_that_cannot_be_read_are_passed_over():
    assert _dwarfs(8, _Images(64, 64, unreadable=3))
    assert not _dwarfs(8, _Images(64, 64, unreadable=10))


def test_nothing_is_told_of_images_without_a_size():
    assert not _dwarfs(8, _Images(64, 64), image_size=None)


def test_nothing_is_told_of_a_model_that_takes_no_tensor():
    class Picky(nn.Module):
        def forward(self, images, targets):
            return images

    assert not step_dwarfs_input(Picky(), _info((64, 64)), SplitView("train", _Images(64, 64)), 1)


@pytest.mark.parametrize(("depth", "workers"), [(1, 1), (3, 0)])
def test_a_run_takes_workers_where_the_input_counts(train, tmp_path, monkeypatch, depth, workers):
    monkeypatch.setattr("imgfw.engine.building.usable_cores", lambda: 1)
    monkeypatch.setattr("imgfw.engine.input.loading.usable_cores", lambda: 2)
    plugin = tmp_path / "own.py"
    plugin.write_text(_PLUGIN)
    changes = {
        "plugins": [str(plugin)],
        "data": "one_by_one",
        "task": "classification",
        "model": {"type": "deep", "depth": depth},
        "transforms": {},
        "loader": {"batch_size": 2},
        "train": {"steps": 1, "device": "cpu"},
        "callbacks": [],
        "scheduler": "constant",
    }
    result = train({**CLASSIFICATION, **changes})
    resolved = json.loads((result.folder / "recipe.resolved.json").read_text())
    assert resolved["loader"]["num_workers"] == workers
