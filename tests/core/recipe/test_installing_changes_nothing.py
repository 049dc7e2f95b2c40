"""Installing a plugin never changes what an existing recipe means."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from imgfw.catalog.catalog import Catalog
from imgfw.contract.kinds import KINDS
from imgfw.recipe.checking import check
from imgfw.recipe.reading import read_recipe

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = sorted((ROOT / "examples").glob("*.json"))

GRADES = '''
from imgfw import DatasetDescription, Task, about

class Grade(Task):
    """Grades."""
    default_loss = "distance"
    default_metrics = ("mean_error",)

def distance(): "A loss."
def mean_error(): "A metric."
def net(info): "A model."

@about(describe=lambda settings: DatasetDescription(task="grade"))
def graded(): "Graded images."

@hookimpl
def imgfw_tasks(): return [Grade]
@hookimpl
def imgfw_datasets(): return [graded]
@hookimpl
def imgfw_losses(): return [distance]
@hookimpl
def imgfw_metrics(): return [mean_error]
@hookimpl
def imgfw_models(): return [net]
'''


def names_of_builtins(site) -> dict[str, list[str]]:
    return {kind: [item.name for item in items] for kind, items in builtins_of(site).providers.items()}


def builtins_of(site):
    return site.catalog_beside_builtins().builtin


def colliding(names: dict[str, list[str]]) -> str:
    """A plugin that provides components of these names; none of them has a setting."""
    parts = []
    for kind, listed in names.items():
        made = "\n".join(f"def {kind}_{name}():\n    'Another {name}.'" for name in listed)
        renamed = "\n".join(f"{kind}_{name}.__name__ = {name!r}" for name in listed)
        items = ", ".join(f"{kind}_{name}" for name in listed)
        parts.append(f"{made}\n{renamed}\n@hookimpl\ndef {KINDS[kind].hook}():\n    return [{items}]\n")
    return "\n".join(parts)


def resolved(recipe, catalog: Catalog) -> str:
    """All that a recipe comes to, as the bytes of recipe.resolved.json."""
    return json.dumps(check(read_recipe(recipe), catalog).recipe.to_json(), indent=2)


def test_every_shipped_recipe_means_the_same_beside_plugins_with_the_same_names(site) -> None:
    """Two plugins have every name of every kind, and that of the plugin file which a recipe lists."""
    before = {file.name: resolved(file, site.catalog_beside_builtins()) for file in EXAMPLES}
    names = names_of_builtins(site)
    names["models"].append("two_layer_net")
    modules = [site.install(name, colliding(names)) for name in ("aaa", "imgfw-plugin-zzz")]
    for file in EXAMPLES:
        catalog = site.catalog_beside_builtins()
        assert resolved(file, catalog) == before[file.name]
        assert not set(modules) & set(sys.modules)
    catalog = site.catalog_beside_builtins()
    assert [plugin.status for plugin in catalog.plugins()] == ["ok", "ok", "ok"]
    assert {file.name: resolved(file, catalog) for file in EXAMPLES} == before


def test_a_plugin_that_a_recipe_lists_comes_before_one_that_it_does_not_list(site) -> None:
    site.install("imgfw-plugin-x", colliding({"models": ["vit"]}))
    other = site.install("imgfw-plugin-y", colliding({"models": ["vit"]}))
    recipe = {"data": "digits", "model": "vit", "plugins": ["imgfw-plugin-x"]}
    assert '"imgfw-plugin-x/vit"' in resolved(recipe, site.catalog_beside_builtins())
    assert other not in sys.modules


def test_the_defaults_of_a_plugins_task_are_its_own_whatever_else_is_installed(site) -> None:
    site.install("imgfw-plugin-grades", GRADES)
    recipe = {"data": "graded", "model": "imgfw-plugin-grades/net"}
    before = resolved(recipe, site.catalog_beside_builtins())
    assert '"imgfw-plugin-grades/distance"' in before
    names = {"tasks": ["grade"], "losses": ["distance"], "metrics": ["mean_error"]}
    site.install("imgfw-plugin-y", colliding(names))
    assert resolved(recipe, site.catalog_beside_builtins()) == before


def test_a_bare_name_that_a_loaded_plugin_has_too_is_told_once(site) -> None:
    site.install("imgfw-plugin-x", colliding({"transforms": ["normalize"], "models": ["vit"]}))
    recipe = {
        "data": "digits",
        "model": "vit",
        "transforms": {"train": ["normalize"], "eval": ["normalize"]},
        "task": "classification",
    }
    warnings = [str(item) for item in check(read_recipe(recipe), site.catalog_beside_builtins()).warnings]
    assert warnings == [
        'transforms.train[0]: "normalize" means imgfw/normalize, not imgfw-plugin-x/normalize.'
    ]


@pytest.mark.parametrize("name", ["normalize", "imgfw/normalize"])
def test_nothing_is_imported_to_find_such_names(site, name: str) -> None:
    module = site.install("imgfw-plugin-x", colliding({"transforms": ["normalize"]}))
    recipe = {"data": "digits", "model": "resnet9", "transforms": {"train": [name], "eval": [name]}}
    assert check(read_recipe(recipe), site.catalog_beside_builtins()).warnings == []
    assert module not in sys.modules
