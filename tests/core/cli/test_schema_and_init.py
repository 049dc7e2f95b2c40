"""Printing the schema of recipes, and beginning a recipe that names it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from imgfw.recipe import starters
from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[3]


def read(name: str) -> dict:
    return json.loads(Path(name).read_text())


def test_the_schema_is_printed_with_the_parts_of_installed_plugins(imgfw, install, good_plugin):
    install("imgfw-plugin-x", good_plugin)
    result = imgfw("schema")
    assert result.exit_code == 0
    validator = Draft202012Validator(json.loads(result.stdout))
    assert validator.is_valid({"data": "digits", "model": {"type": "hello_net", "width": 3}})
    assert not validator.is_valid({"data": "digits", "model": {"type": "hello_net", "widht": 3}})


def test_the_schema_holds_what_the_words_before_the_verb_choose(imgfw, install, good_plugin):
    install("imgfw-plugin-x", good_plugin)
    assert "hello_net" not in imgfw("-p", "no:imgfw-plugin-x", "schema").stdout


def test_a_broken_plugin_is_told_beside_the_schema(imgfw, install):
    install("imgfw-plugin-x", "raise RuntimeError('no licence')")
    result = imgfw("schema")
    assert "no licence" in result.stderr
    assert json.loads(result.stdout)["title"] == "imgfw recipe"


def test_a_new_recipe_is_right_names_its_schema_and_is_valid(imgfw):
    result = imgfw("init")
    assert result.exit_code == 0
    assert "next: imgfw check recipe.json" in result.stdout
    assert read("recipe.json")["$schema"] == "./imgfw.schema.json"
    assert imgfw("check", "recipe.json").exit_code == 0
    assert Draft202012Validator(read("imgfw.schema.json")).is_valid(read("recipe.json"))


@pytest.mark.parametrize("task", starters.OF_TASKS)
def test_a_recipe_may_begin_from_a_task(imgfw, task):
    assert imgfw("--quiet", "init", "mine.json", "--from", task).stdout == ""
    assert f"({task})" in imgfw("check", "mine.json").stdout


def test_a_recipe_may_begin_from_an_example_with_the_files_that_it_lists(imgfw):
    assert imgfw("init", "new/mine.json", "--from", "local_model").exit_code == 0
    assert imgfw("check", "new/mine.json").exit_code == 0
    validator = Draft202012Validator(read("new/imgfw.schema.json"))
    assert validator.is_valid(read("new/mine.json"))
    assert not validator.is_valid(read("new/mine.json") | {"model": {"type": "two_layer_net", "hiden": 3}})


def test_what_is_no_example_is_answered_with_the_closest(imgfw):
    result = imgfw("init", "--from", "shapes_detcetion")
    assert result.exit_code == 2
    assert 'Did you mean "shapes_detection"' in result.stderr
    assert not Path("recipe.json").exists()


@pytest.mark.parametrize("there", ["recipe.json", "my_model.py", "imgfw.schema.json"])
def test_nothing_of_the_users_is_overwritten(imgfw, there):
    Path(there).write_text("{}")
    result = imgfw("init", "--from", "local_model")
    assert result.exit_code == 2
    assert f"{there} is there already" in result.stderr
    assert Path(there).read_text() == "{}"
    assert [file.name for file in Path().iterdir()] == [there]


def test_a_schema_that_imgfw_wrote_is_written_anew(imgfw, install, good_plugin):
    imgfw("init")
    install("imgfw-plugin-x", good_plugin)
    assert imgfw("init", "second.json").exit_code == 0
    assert "hello_net" in Path("imgfw.schema.json").read_text()


def test_only_json_is_written(imgfw):
    result = imgfw("init", "mine.yaml")
    assert result.exit_code == 2
    assert "Write: imgfw init mine.json" in result.stderr


def test_a_word_before_the_verb_that_matches_nothing_leaves_no_file(imgfw):
    assert imgfw("-p", "imgfw-plugin-nowhere", "init").exit_code == 2
    assert list(Path().iterdir()) == []


def test_a_wheel_holds_every_example_with_the_files_that_it_lists():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    forced = build["wheel"]["force-include"]
    shipped = [*(ROOT / "examples").glob("*.json"), *(ROOT / "examples").glob("*.py")]
    assert set(forced) == {f"examples/{file.name}" for file in shipped}
    assert set(forced.values()) == {f"imgfw_examples/{file.name}" for file in shipped}
    assert "examples/*.json" in build["sdist"]["include"]
