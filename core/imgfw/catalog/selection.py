"""Choosing plugins: the grammar of `-p WORD` and of IMGFW_PLUGINS."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imgfw.catalog.discovery import BUILTIN, Declaration, normalize
from imgfw.catalog.suggest import did_you_mean
from imgfw.contract.errors import UsageError

VARIABLE = "IMGFW_PLUGINS"

NO_FILES = "no:./"
"""The word that forbids the plugin files that recipes name."""


@dataclass(frozen=True)
class Selection:
    """Which plugins may be imported.

    Attributes:
        only: names of installed plugins to use besides the built-ins; None means all.
        without: names of plugins to leave out.
        files: local files to load as plugins.
        files_of_recipes: whether plugin files may be loaded because a recipe names them.
    """

    only: frozenset[str] | None = None
    without: frozenset[str] = frozenset()
    files: tuple[Path, ...] = ()
    files_of_recipes: bool = True

    def admits(self, name: str) -> bool:
        """Whether an installed plugin may be imported."""
        if name == BUILTIN:
            return True
        return name not in self.without and (self.only is None or name in self.only)


def parse_words(words: Sequence[str]) -> Selection:
    """Read the words of the grammar: `imgfw-plugin-x`, `no:imgfw-plugin-x`, `./my_model.py`, `no:./`.

    Raises:
        UsageError: the built-ins are excluded, or a file does not exist.
    """
    only, without, files, files_of_recipes = set(), set(), [], True
    for word in words:
        if word == NO_FILES:
            files_of_recipes = False
        elif word.startswith("no:"):
            name = normalize(word[3:])
            if name == BUILTIN:
                raise UsageError("The built-in plugin imgfw cannot be left out.")
            without.add(name)
        elif is_file_word(word):
            file = Path(word)
            if not file.is_file():
                raise UsageError(
                    f"There is no plugin file {word}.", "Paths are relative to the working folder."
                )
            files.append(file)
        else:
            only.add(normalize(word))
    return Selection(frozenset(only) if only else None, frozenset(without), tuple(files), files_of_recipes)


def is_file_word(word: str) -> bool:
    """Whether a word names a local file rather than a distribution."""
    return word.endswith(".py") or "/" in word or "\\" in word


def from_environment(words: Sequence[str] = ()) -> Selection:
    """The selection of the command line's words, or of IMGFW_PLUGINS where there are none.

    IMGFW_PLUGINS holds words separated by spaces or commas; set and empty, it leaves the built-ins only, and
    no plugin files of recipes.
    """
    if words:
        return parse_words(words)
    value = os.environ.get(VARIABLE)
    if value is None:
        return Selection()
    listed = [word for word in re.split(r"[\s,]+", value) if word]
    return parse_words(listed) if listed else Selection(only=frozenset(), files_of_recipes=False)


def check_words(selection: Selection, declarations: Sequence[Declaration]) -> None:
    """Refuse a selection that names a plugin that is not installed.

    Raises:
        UsageError: naming it, and the closest installed ones.
    """
    installed = [declaration.name for declaration in declarations]
    for name in sorted((selection.only or frozenset()) | selection.without):
        if name not in installed:
            hint = did_you_mean(name, installed) or f"Install it with: pip install {name}"
            raise UsageError(f"No plugin named {name} is installed.", hint)
