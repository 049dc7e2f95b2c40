"""What a step does with what bad samples leave of its batch."""

from __future__ import annotations

import csv

import imgfw
import pytest
from imgfw.engine import runs

from .conftest import CLASSIFICATION, fingerprint

_HOLES = """
import imgfw
import torch

class Holes:
    def __init__(self, count, holes):
        self.count, self.holes = count, holes

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index in self.holes:
            raise imgfw.BadSampleError(f"{index}.png", "truncated")
        generator = torch.Generator().manual_seed(index)
        return torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8, generator=generator), index % 2

def holes(*, holes: list[int]):
    '''Ten images, some of which cannot be read.'''
    info = imgfw.DatasetInfo(task="classification", classes=("even", "odd"), channels=3, image_size=(8, 8))
    return imgfw.Splits(train=Holes(10, holes), val=Holes(4, []), info=info)

@imgfw.hookimpl
def imgfw_datasets():
    return [holes]
"""


@pytest.fixture
def recipe(tmp_path):
    """Every batch of two has at least one bad sample, but for one."""
    plugin = tmp_path / "holes.py"
    plugin.write_text(_HOLES)
    return {
        **CLASSIFICATION,
        "plugins": [str(plugin)],
        "data": {"type": "holes", "holes": [0, 2, 5, 6, 9]},
        "task": "classification",
        "transforms": {},
        "bad_data": "skip",
        "max_bad_fraction": 1.0,
        "loader": {"batch_size": 2, "num_workers": 0},
        "callbacks": [],
    }


def test_a_single_sample_that_bad_ones_leave_is_passed_over_where_batch_norms_need_two(train, recipe):
    """The net's last batch norms see one pixel a channel, and refuse a batch of one."""
    result = train(recipe)
    assert result.summary["steps"] == 15
    with (result.folder / "quarantine.csv").open(newline="") as file:
        assert sorted(int(row["index"]) for row in csv.DictReader(file)) == [0, 2, 5, 6, 9]


def test_what_is_passed_over_is_the_same_after_a_resume(train, recipe, stop_at, tmp_path):
    straight = train(recipe, "straight")
    stop_at(7)
    with pytest.raises(imgfw.InterruptedRun):
        train(recipe, "stopped")
    stop_at(0)
    resumed = runs.resume(tmp_path / "stopped" / "tiny", quiet=True)
    assert fingerprint(resumed.folder) == fingerprint(straight.folder)
