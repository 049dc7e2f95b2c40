"""A plugin file is code: a recipe may name those beside it; who starts the run may forbid or add some."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from imgfw import ImgfwError, RecipeError
from imgfw.catalog.catalog import Catalog
from imgfw.catalog.discovery import Declaration
from imgfw.catalog.selection import Selection, from_environment, parse_words
from imgfw.recipe.reading import read_recipe
from imgfw.recipe.resolving import resolve

PARTS = Path(__file__).with_name("parts.py")


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """What the plugin file writes when its code runs."""
    return tmp_path / "it-ran"


@pytest.fixture
def plugin(ran: Path) -> Callable[[Path], Path]:
    """Write a plugin file that tells that it ran."""

    def make(file: Path) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"import pathlib\npathlib.Path({str(ran)!r}).touch()\n")
        return file

    return make


def load(
    folder: Path, word: str, selection: Selection | None = None, overrides: tuple[str, ...] = ()
) -> None:
    """Resolve a recipe in a folder that names a plugin file."""
    file = folder / "recipe.json"
    file.write_text(f'{{"plugins": ["{word}"], "data": "digits", "model": "small_net"}}')
    catalog = Catalog(selection or Selection(), [Declaration("imgfw", "0.1.0", file=PARTS)])
    resolve(read_recipe(file, overrides), catalog)


@pytest.mark.parametrize("word", ["./mine.py", "sub/mine.py", "./sub/../mine.py"])
def test_a_file_in_the_recipes_folder_or_below_is_loaded(tmp_path, plugin, ran, word: str) -> None:
    plugin(tmp_path / "mine.py")
    plugin(tmp_path / "sub/mine.py")
    load(tmp_path, word)
    assert ran.exists()


@pytest.mark.parametrize(
    "word", ["../evil.py", "sub/../../evil.py", "{absolute}", "link.py", "folder/evil.py"]
)
def test_a_file_anywhere_else_is_refused_and_does_not_run(tmp_path, plugin, ran, word: str) -> None:
    evil = plugin(tmp_path / "evil.py")
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "link.py").symlink_to(evil)
    (folder / "folder").symlink_to(tmp_path)
    with pytest.raises(
        RecipeError, match=r"plugins\[0\]: the plugin file .* is outside of the recipe's folder"
    ):
        load(folder, word.format(absolute=evil))
    assert not ran.exists()


def test_a_file_elsewhere_is_loaded_when_the_command_line_names_it(tmp_path, plugin, ran) -> None:
    file = plugin(tmp_path / "elsewhere/mine.py")
    (tmp_path / "recipes").mkdir()
    load(tmp_path / "recipes", "../elsewhere/mine.py", parse_words([str(file)]))
    assert ran.exists()


def test_set_may_name_any_file(tmp_path, plugin, ran) -> None:
    file = plugin(tmp_path / "elsewhere/mine.py")
    (tmp_path / "recipes").mkdir()
    load(tmp_path / "recipes", "./gone.py", overrides=(f'plugins=["{file}"]',))
    assert ran.exists()


def test_no_file_of_a_recipe_is_loaded_when_that_is_forbidden(tmp_path, plugin, ran) -> None:
    plugin(tmp_path / "mine.py")
    with pytest.raises(RecipeError, match=r"the plugin file \./mine\.py is not loaded: .* left out by -p"):
        load(tmp_path, "./mine.py", parse_words(["no:./"]))
    assert not ran.exists()


def test_an_empty_variable_leaves_the_built_ins_only(tmp_path, plugin, ran, monkeypatch) -> None:
    monkeypatch.setenv("IMGFW_PLUGINS", "")
    plugin(tmp_path / "mine.py")
    with pytest.raises(ImgfwError, match="is not loaded"):
        load(tmp_path, "./mine.py", from_environment())
    assert not ran.exists()


def test_a_file_that_is_forbidden_to_recipes_is_loaded_when_it_is_named(tmp_path, plugin, ran) -> None:
    file = plugin(tmp_path / "mine.py")
    load(tmp_path, "./mine.py", parse_words(["no:./", str(file)]))
    assert ran.exists()


def test_none_is_loaded_when_one_of_several_is_refused(tmp_path, plugin, ran) -> None:
    plugin(tmp_path / "mine.py")
    with pytest.raises(RecipeError, match=r"plugins\[1\]"):
        load(tmp_path, './mine.py", "/tmp/evil.py')
    assert not ran.exists()
