"""`imgfw.check`: what a recipe comes to, for programs."""

from __future__ import annotations

from pathlib import Path

import imgfw
import pytest

RECIPE = {"data": "digits", "model": {"type": "resnet9", "width": 4}}


def test_a_right_recipe_is_resolved_and_its_aim_told() -> None:
    report = imgfw.check(RECIPE, overrides=["optimizer.lr=0.25"])
    assert report.recipe["optimizer"]["lr"] == 0.25
    assert report.recipe["model"]["type"] == "imgfw/resnet9"
    assert (report.monitor, report.mode) == ("val/accuracy", "max")
    assert report.metrics == {"train/loss": "min", "val/loss": "min", "val/accuracy": "max"}
    assert report.warnings == ()


def test_what_the_recipe_aims_at_wins() -> None:
    report = imgfw.check(RECIPE | {"checkpoint": {"monitor": "val/loss"}})
    assert (report.monitor, report.mode) == ("val/loss", "min")


def test_a_resolved_recipe_is_a_recipe_that_means_the_same() -> None:
    resolved = imgfw.check(RECIPE).recipe
    assert imgfw.check(resolved).recipe == resolved


def test_what_is_hardly_meant_is_told() -> None:
    report = imgfw.check(RECIPE | {"checkpoint": {"monitor": "val/loss", "mode": "max"}})
    assert len(report.warnings) == 1
    assert report.warnings[0].startswith("checkpoint.mode: ")


def test_a_wrong_recipe_is_refused_with_all_its_problems() -> None:
    with pytest.raises(imgfw.RecipeError) as caught:
        imgfw.check(RECIPE, overrides=["optimizer.lrr=1", "model.width=wide"])
    assert {problem.path for problem in caught.value.problems} == {"optimizer.lrr", "model.width"}


def test_nothing_is_written(tmp_path: Path) -> None:
    imgfw.check(RECIPE | {"output_dir": str(tmp_path / "runs")})
    assert list(tmp_path.iterdir()) == []
