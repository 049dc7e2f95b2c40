"""Listing the components of a kind, and describing one."""

from __future__ import annotations

import json

import pytest

STRUCTURED = '''
from __future__ import annotations
from typing import Annotated, Literal
import imgfw
from imgfw import Gt, Len, Monitor, Settings, hookimpl

class Policy(Settings):
    share: Annotated[float, Gt(0)] = 0.5

@imgfw.about(
    min_size=lambda settings: settings.depth - 18,
    tasks=("classification",),
    example={"depth": 50},
    head=lambda model: ("fc.",),
)
def hello_net(
    info,
    *,
    depth: Literal[18, 50],
    width: Annotated[int, Gt(0)] | None = None,
    sizes: Annotated[list[Annotated[int, Gt(1)]], Len(1, 4)] = [3, 5],
    policy: Policy = Policy(),
    teacher: imgfw.Model | None = None,
    monitor: Monitor = "val/loss",
):
    """A network that says hello.

    Its second paragraph.
    """

def resnet18(info):
    """Another ResNet."""

@hookimpl
def imgfw_models():
    return [hello_net, resnet18]
'''


@pytest.fixture
def described(imgfw, install):
    """A component of an installed plugin, described as JSON."""
    install("imgfw-plugin-x", STRUCTURED)
    result = imgfw("describe", "model", "hello_net", "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("kind", ["models", "model"])
def test_a_list_holds_names_with_descriptions(imgfw, kind):
    lines = imgfw("list", kind).stdout.splitlines()
    resnet = next(line for line in lines if line.startswith("resnet50 "))
    assert "ResNet" in resnet


def test_a_third_partys_name_is_qualified_only_where_it_must_be(imgfw, install):
    install("imgfw-plugin-x", STRUCTURED)
    components = json.loads(imgfw("list", "models", "--json").stdout)["components"]
    own = [item["name"] for item in components if item["plugin"] == "imgfw-plugin-x"]
    assert own == ["hello_net", "imgfw-plugin-x/resnet18"]
    assert "resnet18" in [item["name"] for item in components if item["plugin"] == "imgfw"]


def test_two_third_parties_with_one_name_are_both_qualified(imgfw, install, good_plugin):
    install("imgfw-plugin-x", good_plugin)
    install("imgfw-plugin-y", good_plugin)
    text = imgfw("list", "models").stdout
    assert "imgfw-plugin-x/hello_net" in text
    assert "imgfw-plugin-y/hello_net" in text


def test_a_list_says_which_plugin_could_not_be_asked(imgfw, install):
    install("imgfw-plugin-x", "raise RuntimeError('no licence found')")
    result = imgfw("list", "losses")
    assert "cross_entropy" in result.stdout
    assert "imgfw-plugin-x is broken" in result.stderr


def test_an_unknown_kind_is_answered_with_a_suggestion(imgfw):
    result = imgfw("list", "modles")
    assert result.exit_code == 2
    assert '"models"' in result.stderr


def test_an_unknown_name_is_answered_with_a_suggestion(imgfw):
    result = imgfw("describe", "loss", "cros_entropy")
    assert result.exit_code == 2
    assert '"cross_entropy"' in result.stderr


def test_every_setting_is_described_in_the_words_of_a_recipe(described):
    settings = {item["name"]: item for item in described["settings"]}
    assert {name: item["type"] for name, item in settings.items()} == {
        "depth": "18 | 50",
        "width": "int | null",
        "sizes": "list of int",
        "policy": "object",
        "policy.share": "float",
        "teacher": "model | null",
        "monitor": "str",
    }
    assert settings["depth"]["required"]
    assert settings["sizes"]["default"] == [3, 5]
    assert settings["policy"]["default"] == {"share": 0.5}


def test_every_constraint_is_described(described):
    constraints = {item["name"]: item["constraints"] for item in described["settings"]}
    assert constraints["width"] == "> 0"
    assert constraints["sizes"] == "at least 1 items, at most 4 items, each > 1"
    assert constraints["policy.share"] == "> 0"
    assert "val/accuracy" in constraints["monitor"]


def test_the_cores_own_settings_are_described_apart(described):
    assert [item["name"] for item in described["core_settings"]] == ["freeze"]


def test_facts_and_origin_are_described(described):
    assert described["facts"] == {"tasks": ["classification"], "min_size": 32}
    assert (described["plugin"], described["version"]) == ("imgfw-plugin-x", "0.1")
    assert "Its second paragraph." in described["documentation"]


def test_a_description_shows_the_part_of_a_recipe_that_uses_it(described):
    assert described["recipe"] == {"model": {"type": "hello_net", "depth": 50}}


@pytest.mark.parametrize(
    ("kind", "name", "part"),
    [
        ("dataset", "digits", {"data": "digits"}),
        ("transform", "random_horizontal_flip", {"transforms": {"train": ["random_horizontal_flip"]}}),
        ("metric", "accuracy", {"metrics": ["accuracy"]}),
        ("task", "classification", {"task": "classification"}),
        ("loss", "cross_entropy", {"loss": "cross_entropy"}),
    ],
)
def test_each_kind_has_its_place_in_a_recipe(imgfw, kind, name, part):
    assert json.loads(imgfw("describe", kind, name, "--json").stdout)["recipe"] == part


def test_what_a_metric_reports_is_a_fact(imgfw):
    facts = json.loads(imgfw("describe", "metric", "accuracy", "--json").stdout)["facts"]
    assert facts["results"] == {"accuracy": "max"}


def test_a_description_for_a_reader_holds_the_same(imgfw):
    text = imgfw("describe", "scheduler", "cosine").stdout
    assert text.startswith("cosine, a scheduler of imgfw ")
    assert "warmup_epochs" in text
    assert '"scheduler": "cosine"' in text
    assert "\x1b" not in text


def test_every_built_in_component_can_be_described(imgfw):
    from imgfw.catalog.catalog import Catalog
    from imgfw.catalog.selection import Selection
    from imgfw.cli.describe import description_of

    catalog = Catalog(Selection(only=frozenset()))
    for providers in catalog.builtin.providers.values():
        for provider in providers:
            described = description_of(provider, catalog)
            assert described["description"]
            assert "<" not in json.dumps(described["recipe"]), f"{provider.qualified} needs an example"
