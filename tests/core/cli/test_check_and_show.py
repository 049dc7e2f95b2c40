"""Checking a recipe, and showing where its values come from."""

from __future__ import annotations

import json


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
