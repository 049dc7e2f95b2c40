"""Checking a recipe, and showing where its values come from."""

from __future__ import annotations

import json
import sys

import pytest


def test_a_right_recipe_is_summed_up(imgfw, write_recipe):
    result = imgfw("check", write_recipe(train={"epochs": 3}))
    assert result.exit_code == 0
    assert "is right: resnet18 on digits (classification)." in result.stdout
    assert "3 epochs of batches of 64" in result.stdout
    assert "best is the maximum of val/accuracy" in result.stdout
    assert result.stderr == ""


def test_all_problems_are_reported_at_once(imgfw, write_recipe):
    recipe = write_recipe(model="resnet19", optimizer={"type": "sgd", "lr": -1}, callbacks=["early_stoping"])
    result = imgfw("check", recipe)
    assert result.exit_code == 2
    assert "3 problems" in result.stderr
    assert '"resnet18"' in result.stderr
    assert "optimizer.lr (imgfw/sgd)" in result.stderr
    assert '"early_stopping"' in result.stderr


def test_warnings_are_on_stderr(imgfw, write_recipe):
    result = imgfw("check", write_recipe(checkpoint={"monitor": "val/accuracy", "mode": "min"}))
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: checkpoint.mode")


def test_a_change_on_the_command_line_is_checked_too(imgfw, write_recipe):
    result = imgfw("check", write_recipe(), "--set", "model=resnet19")
    assert result.exit_code == 2


def test_a_recipe_that_is_not_there_is_named(imgfw):
    result = imgfw("check", "nowhere.json")
    assert result.exit_code == 2
    assert "nowhere.json" in result.stderr


def test_a_recipes_broken_plugin_exits_with_4(imgfw, write_recipe, install):
    install("imgfw-plugin-x", "raise RuntimeError('no licence found')")
    result = imgfw("check", write_recipe(plugins=["imgfw-plugin-x"]))
    assert result.exit_code == 4
    assert "no licence found" in result.stderr


def test_every_value_is_shown_with_its_origin(imgfw, write_recipe):
    text = imgfw("show", write_recipe(seed=7, optimizer="sgd"), "--set", "optimizer.lr=0.5").stdout
    rows = [line.split(None, 2) for line in text.splitlines()]
    assert ["seed", "recipe", "7"] in rows
    assert ["optimizer.lr", "--set", "0.5"] in rows
    assert ["train.accumulate", "default", "1"] in rows
    assert ["model.type", "recipe", '"imgfw/resnet18"'] in rows


def test_a_resolved_recipe_is_a_recipe_with_the_same_meaning(imgfw, write_recipe, tmp_path):
    resolved = imgfw("show", write_recipe(optimizer="sgd"), "--set", "optimizer.lr=0.5", "--json").stdout
    (tmp_path / "resolved.json").write_text(resolved)
    again = imgfw("show", "resolved.json", "--json").stdout
    assert json.loads(again) == json.loads(resolved)
    assert json.loads(again)["optimizer"]["lr"] == 0.5


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {
                "data": {"type": "shapes", "task": "detection"},
                "model": "fcos_resnet18_fpn",
                "loader": {"cache": "ram"},
            },
            "loader.cache: cannot keep samples for detection: their targets lie in the image. "
            'Set it to "none".',
        ),
        (
            {"transforms": {"eval": [{"type": "resize", "size": 8}], "warp": "opencv"}},
            'transforms.warp: is "opencv", but OpenCV is not installed. pip install "imgfw[fast]"',
        ),
        (
            {"loader": {"decode": "device", "cache": "ram"}, "transforms": {"warp": "opencv"}},
            'loader.decode: is "device", but kept images are not decoded again. Set it to "cpu".\n  '
            'transforms.warp: is "opencv", which works in the workers, but images are decoded on the device. '
            'Set it to "each", or loader.decode to "cpu".\n  '
            'loader.decode: is "device", but torchcodec is not installed. pip install "imgfw[nvjpeg]"',
        ),
    ],
)
def test_what_a_run_would_refuse_is_found_with_the_same_words(
    imgfw, write_recipe, monkeypatch, changes, said
):
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    recipe = write_recipe(**changes, output_dir="runs")
    checked, run = imgfw("check", recipe), imgfw("run", recipe)
    assert (checked.exit_code, run.exit_code) == (2, 2)
    assert said in checked.stderr
    assert run.stderr == checked.stderr


@pytest.mark.parametrize("transforms", [["normalize"], []])
def test_opencv_is_not_asked_for_where_nothing_is_warped(imgfw, write_recipe, monkeypatch, transforms):
    monkeypatch.setitem(sys.modules, "cv2", None)
    recipe = write_recipe(transforms={"train": transforms, "warp": "opencv"})
    assert imgfw("check", recipe).exit_code == 0
