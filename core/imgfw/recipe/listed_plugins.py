"""The plugins that a recipe lists. A plugin file is code, so where a recipe may take one from has a rule.

A recipe brings its plugin files along: they are in its folder, or below. One that is anywhere else, or that a
link leads out of the folder to, must be named by whoever starts the run, with `-p` or IMGFW_PLUGINS; and
A recipe brings its plugin files along: they are in its folder, or below. One that is anywhere else, or that a
recipe in a run's folder is imgfw's own: these name files wherever they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imgfw.catalog.selection import is_file_word
from imgfw.contract.errors import Problem, RecipeError

if TYPE_CHECKING:
    from imgfw.catalog.catalog import Catalog
    from imgfw.recipe.reading import Source


def load_listed_plugins(words: Sequence[str], source: Source, catalog: Catalog) -> list[str]:
    """Load what a recipe lists under `plugins`.

    Returns:
        the plugins' names.

    Raises:
        RecipeError: a plugin file is not one that the recipe may name; nothing was loaded then.
        PluginError: a plugin is missing or broken.
    """
    problems = [problem for n, word in enumerate(words) if (problem := _refusal(n, word, source, catalog))]
    if problems:
        raise RecipeError(problems, source.label)
    return [
        catalog.add_file(word, _file_of(word, source)).name
        if is_file_word(word)
        else catalog.require(word).name
        for word in words
    ]


def absolute_word(word: str, source: Source) -> str:
    """A word of `plugins` that means the same wherever it is read."""
    return str(_file_of(word, source)) if is_file_word(word) else word


def _file_of(word: str, source: Source) -> Path:
    """The file that a word names, its links followed."""
    return (source.base_of("plugins") / word).resolve()


def _refusal(number: int, word: str, source: Source, catalog: Catalog) -> Problem | None:
    """Why a recipe may not have a plugin file loaded, if it may not."""
    if not is_file_word(word):
        return None
    file = _file_of(word, source)
    if catalog.was_chosen(file):
        return None
    path = f"plugins[{number}]"
    if not catalog.admits_files:
        return Problem(path, f"the plugin file {word} is not loaded: files of recipes are left out by -p.")
    within = file.is_relative_to(source.base_of("plugins").resolve())
    if within or source.is_overridden("plugins") or source.any_plugin_file:
        return None
    return Problem(
        path,
        f"the plugin file {word} is outside of the recipe's folder.",
        f"It is code: if you trust it, say so with: imgfw -p {file} …",
    )
