"""Data workers that a measurement starts end where it is done with them, not where Python finds time."""

from __future__ import annotations

import copy
import json

import pytest
from imgfw.catalog.catalog import Catalog
from imgfw.engine.input.workers import BatchLoader
from imgfw.engine.speed import tuning
from imgfw.engine.speed.bench import Effort, bench
from imgfw.engine.speed.tuning import tune

from tests.core.engine.conftest import CLASSIFICATION


@pytest.fixture
def recipe(tmp_path):
    """A tiny recipe in a file, with a data worker."""
    data = copy.deepcopy(CLASSIFICATION) | {"output_dir": str(tmp_path / "runs")}
    data["loader"]["num_workers"] = 1
    file = tmp_path / "tiny.json"
    file.write_text(json.dumps(data))
    return file


@pytest.fixture
def working(monkeypatch):
    """The loaders whose workers were started and not ended; all that were, and are, are kept alive."""
    started, closed = [], []
    start, close = BatchLoader._started, BatchLoader.close

    def noting_start(self):
        started.append(self)
        return start(self)

    def noting_close(self):
        closed.append(self)
        close(self)

    monkeypatch.setattr(BatchLoader, "_started", noting_start)
    monkeypatch.setattr(BatchLoader, "close", noting_close)

    def ask():
        assert started
        return [loader for loader in started if loader not in closed or loader.processes()]

    return ask


def test_those_of_bench_have_ended(recipe, working):
    bench(recipe, effort=Effort(rounds=1, seconds=0.01, wall_steps=0), catalog=Catalog())
    assert working() == []


def test_those_of_tune_have_ended(recipe, working, monkeypatch):
    monkeypatch.setattr(tuning, "usable_cores", lambda: 2)
    tune(recipe, out=recipe.with_name("fast.json"), budget=0.1, catalog=Catalog())
    assert working() == []
