"""Every example of the documentation does what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import imgfw
import pytest
from imgfw.catalog.catalog import Catalog
from imgfw.catalog.discovery import Declaration, discover
from imgfw.catalog.loading import load
from imgfw.catalog.selection import Selection
from imgfw.recipe.checking import check
from imgfw.recipe.reading import read_recipe

from tests.docs.pages import DOCS, Block, all_blocks, blocks_of, write_plugins

BASE = {"data": "digits", "model": {"type": "resnet9", "width": 4}}
"""What a part of a recipe is a part of."""

RECIPES = all_blocks(("json", "recipe"), ("yaml", "recipe"), ("toml", "recipe"))
PARTS = [block for block in all_blocks(("json", "part")) if block.page.name != "hooks.md"]
PLUGINS = all_blocks(("python", "plugin"))


@pytest.fixture
def builtins() -> Catalog:
    """The built-in components only."""
    return Catalog(Selection(only=frozenset()))


@pytest.mark.parametrize("block", RECIPES, ids=str)
def test_a_recipe_passes_every_check(block: Block, builtins: Catalog, tmp_path: Path):
    write_plugins(block.page, tmp_path)
    recipe = tmp_path / f"recipe.{block.language}"
    recipe.write_text(block.text, encoding="utf-8")
    assert check(read_recipe(recipe), builtins).warnings == []


@pytest.mark.parametrize("block", PARTS, ids=str)
def test_a_part_of_a_recipe_passes_every_check(block: Block, builtins: Catalog, tmp_path: Path):
    write_plugins(block.page, tmp_path)
    recipe = tmp_path / "recipe.json"
    plugins = {"plugins": [f"./{block.argument}"]} if block.argument else {}
    recipe.write_text(json.dumps(BASE | plugins | json.loads(block.text)), encoding="utf-8")
    assert check(read_recipe(recipe), builtins).warnings == []


@pytest.mark.parametrize("block", PLUGINS, ids=str)
def test_a_plugin_loads_and_provides_something(block: Block, tmp_path: Path):
    write_plugins(block.page, tmp_path)
    plugin = load(Declaration(block.argument, file=tmp_path / block.argument))
    assert plugin.status != "broken", plugin.reason
    assert plugin.providers


@pytest.mark.parametrize(
    "page",
    sorted(
        {block.page for block in all_blocks(("python", "")) if block.page.parent == DOCS}
        - {DOCS / "hooks.md"}
    ),
    ids=lambda page: page.name,
)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": page.stem}
    for block in blocks_of(page):
        if (block.language, block.role) == ("python", ""):
            exec(compile(block.text, str(block), "exec"), names)


@pytest.mark.parametrize("block", all_blocks(("python", "test")), ids=str)
def test_a_test_that_is_shown_passes(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write_plugins(block.page, tmp_path)
    names: dict[str, Any] = {"__name__": "shown"}
    exec(compile(block.text, str(block), "exec"), names)
    shown = [value for name, value in names.items() if name.startswith("test_")]
    assert shown
    for function in shown:
        function(tmp_path)


def test_the_distribution_of_the_plugin_page_is_found_by_its_entry_point(site):
    import tomllib

    project = next(block for block in blocks_of(DOCS / "plugins.md") if block.language == "toml")
    declared = tomllib.loads(project.text)
    [(key, module)] = declared["project"]["entry-points"]["imgfw"].items()
    assert declared["tool"]["hatch"]["build"]["targets"]["wheel"]["include"] == [f"{module}.py"]
    site.install(declared["project"]["name"], entry_points=f"[imgfw]\n{key} = {module}\n")
    source = next(block for block in blocks_of(DOCS / "plugins.md") if block.role == "plugin")
    (site.folder / f"{module}.py").write_text(source.text, encoding="utf-8")
    found = {item.name: item for item in discover([str(site.folder)])}
    plugin = load(found["imgfw-plugin-tiny"])
    assert [provider.name for provider in plugin.providers["models"]] == ["tinynet"]


def test_the_events_come_in_the_documented_order(tmp_path: Path):
    (tmp_path / "listener.py").write_text(_LISTENER, encoding="utf-8")
    recipe = BASE | {
        "plugins": [str(tmp_path / "listener.py")],
        "loader": {"batch_size": 700},
        "callbacks": [{"type": "listener", "file": str(tmp_path / "events.txt")}],
        "train": {"epochs": 2},
        "output_dir": str(tmp_path / "runs"),
    }
    imgfw.run(recipe, quiet=True)
    documented = next(block for block in blocks_of(DOCS / "training-loop.md") if block.role == "events")
    assert (tmp_path / "events.txt").read_text(encoding="utf-8") == documented.text


_LISTENER = '''
from __future__ import annotations

from pathlib import Path

from imgfw import Callback, hookimpl
from imgfw.contract.callback import EVENTS


class Listener(Callback):
    """Writes each event to a file."""

    def __init__(self, *, file: Path) -> None:
        self.file = file


def note(event):
    def listen(self, run):
        with self.file.open("a", encoding="utf-8") as file:
            file.write(event + "\\n")

    return listen


for event in EVENTS:
    setattr(Listener, event, note(event))


@hookimpl
def imgfw_callbacks():
    return [Listener]
'''
