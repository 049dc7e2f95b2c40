"""Measuring a recipe: what is timed, and that it is the same work."""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path

import pytest
import torch
from imgfw.catalog.catalog import Catalog
from imgfw.engine.building import build_parts
from imgfw.engine.input.data import build_data
from imgfw.engine.speed.bare_step import BareStep, delivery_of
from imgfw.engine.speed.bench import Effort, Measured, bench
from imgfw.engine.speed.tutorial_loop import TutorialLoop
from imgfw.recipe.checking import check
from imgfw.recipe.reading import read_recipe

from tests.core.engine.conftest import CLASSIFICATION, RECIPES

CPU = torch.device("cpu")


def built(recipe):
    resolved = check(read_recipe(recipe), Catalog()).recipe
    return build_parts(resolved, build_data(resolved, lambda sample: None), CPU)


def changed(recipe, **sections):
    return {**copy.deepcopy(recipe), **sections}


def test_the_limit_is_the_slower_of_two_or_both_one_after_the_other_on_shared_cores():
    rates = {"sol": [100.0, 300.0], "loader": [300.0, 100.0], "run": [60.0, 75.0]}
    assert Measured(rates=rates).limits() == [100.0, 100.0]
    shared = Measured(rates=rates, shares_cores=True)
    assert shared.limits() == pytest.approx([75.0, 75.0])
    assert shared.to_json()["run_over_limit"] == pytest.approx(0.9)


@pytest.mark.parametrize("kind", RECIPES)
def test_a_bare_step_trains_on_batches_that_lie_ready(kind):
    parts = built(RECIPES[kind])
    before = [parameter.detach().clone() for parameter in parts.model.parameters()]
    assert BareStep.on_resident(parts)() == parts.batches.size(0)
    assert any(not torch.equal(old, new) for old, new in zip(before, parts.model.parameters(), strict=True))


def test_a_bare_step_makes_the_gradient_of_a_batch_in_micro_batches():
    whole, cut = (
        built(changed(CLASSIFICATION, train={"accumulate": n, "device": "cpu", "precision": "fp32"}))
        for n in (1, 2)
    )
    for parts in (whole, cut):
        step = BareStep.on_resident(parts)
        parts.model.eval()  # a batch norm sees other batches in parts
        assert step() == 300
    for one, other in zip(whole.model.parameters(), cut.model.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-5)


def test_the_delivery_goes_on_over_the_epochs_with_every_image():
    parts = built(CLASSIFICATION)
    deliver, epoch = delivery_of(parts), len(parts.data.views.train)
    assert sum(deliver() for _ in range(2 * parts.batches.steps_per_epoch)) == 2 * epoch


@pytest.mark.parametrize("kind", RECIPES)
def test_the_tutorials_loop_trains_every_task_on_pil_images(kind):
    parts = built(RECIPES[kind])
    loop = TutorialLoop(parts.resolved, parts.data, CPU)
    assert loop() == parts.resolved.recipe.loader.batch_size


def test_a_transform_that_torchvision_lacks_runs_sample_by_sample_in_the_tutorials_loop(tmp_path):
    plugin = tmp_path / "blacken.py"
    plugin.write_text(
        "import imgfw\n\n"
        "def blacken():\n"
        '    """Make every image black."""\n'
        "    return lambda image, target: (image * 0, target)\n\n"
        "@imgfw.hookimpl\n"
        "def imgfw_transforms():\n"
        "    return [blacken]\n"
    )
    transforms = {"train": ["blacken", {"type": "normalize", "mean": [0.5], "std": [0.5]}]}
    parts = built(changed(CLASSIFICATION, plugins=[str(plugin)], transforms=transforms))
    loop = TutorialLoop(parts.resolved, parts.data, CPU)
    images, _ = next(loop.batches)
    assert images.shape == (300, 1, 8, 8)
    assert images.unique().tolist() == [-1.0]


@pytest.fixture(scope="module")
def benched(tmp_path_factory):
    """What `bench` measures of a tiny recipe, the folder it worked in, and what it said."""
    folder = tmp_path_factory.mktemp("bench")
    recipe = folder / "recipe.json"
    train = {"epochs": 3, "device": "cpu", "precision": "fp32"}
    recipe.write_text(json.dumps(changed(CLASSIFICATION, output_dir=str(folder / "runs"), train=train)))
    said = []
    effort = Effort(rounds=2, seconds=0.02, wall_steps=3, raw=True)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    measured = bench(recipe, effort=effort, catalog=Catalog(), say=said.append)
    torch.set_num_threads(before)
    return measured.to_json(), folder, said


def test_bench_tells_every_rate_with_its_spread(benched):
    result, _, said = benched
    for name in ("sol", "loader", "limit", "run", "wall", "raw"):
        rate = result[name]
        assert list(rate) == ["median", "min", "max"]
        assert 0 < rate["min"] <= rate["median"] <= rate["max"]
    assert said == ["warming up", "round 1 of 2", "round 2 of 2", "a whole process of 3 steps"]


def test_bench_tells_what_its_figures_hold_for(benched):
    result, _, _ = benched
    assert result["format"] == 1
    assert result["wall_steps"] == 3
    assert result["host_syncs_per_step"] is None
    assert result["mfu"] is None
    assert result["peak_memory_bytes"] > 50 * 2**20
    assert result["settings"] == {
        "device": "cpu",
        "threads": 1,
        "precision": "fp32",
        "channels_last": True,
        "compile": False,
        "accumulate": 1,
        "batch_size": 300,
        "num_workers": 0,
    }


def test_a_whole_process_is_slower_than_its_loop(benched):
    result, _, _ = benched
    assert result["wall"]["median"] < result["run"]["min"]


def test_bench_leaves_nothing_behind(benched):
    _, folder, _ = benched
    assert [path.name for path in folder.iterdir()] == ["recipe.json"]
    assert not list(Path(tempfile.gettempdir()).glob("imgfw-bench-*"))
