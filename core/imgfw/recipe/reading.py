"""Reading a recipe from a file, and changing it from the command line; nothing is checked against plugins."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgfw.catalog.problems import join_path
from imgfw.contract.errors import Problem, RecipeError, UsageError
from imgfw.recipe.limits import check_limits
from imgfw.recipe.parsing import MAX_DEPTH, RefusedValueError, parse_file, parse_value


@dataclass(frozen=True)
class Source:
    """A recipe as it was given.

    Attributes:
        raw: its data, `--set` applied.
        label: what to call it in messages, its path as a rule.
        folder: what the paths in it are relative to.
        stem: the file's name without suffix, the default name of the run.
        overridden: the paths that `--set` changed.
        any_plugin_file: whether it may name plugin files outside of its folder: a dict is a program's, and
            the recipe in a run's folder is imgfw's own.
    """

    raw: Mapping[str, Any]
    label: str
    folder: Path
    stem: str
    overridden: tuple[str, ...] = ()
    any_plugin_file: bool = False

    def is_overridden(self, path: str) -> bool:
        """Whether `--set` gave the value at a path, or one around it."""
        return any(path == other or path.startswith((f"{other}.", f"{other}[")) for other in self.overridden)

    def base_of(self, path: str) -> Path:
        """What a relative file path at a path is relative to: as of `--set`, the working folder."""
        return Path.cwd() if self.is_overridden(path) else self.folder


def read_recipe(recipe: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> Source:
    """Read a recipe from a JSON, YAML or TOML file, or take it as a dict.

    Args:
        recipe: the file, or the data (paths in it are then relative to the working folder).
        overrides: `path=value` words, as of `--set`.

    Raises:
        RecipeError: the file cannot be read as data.
        UsageError: there is no such file, or an override is malformed.
    """
    if isinstance(recipe, Mapping):
        label, folder, stem = "the recipe", Path.cwd(), "run"
        data = _copy(recipe, label)
    else:
        file = Path(recipe)
        label, folder, stem = str(recipe), file.absolute().parent, file.stem
        data = parse_file(file)
    if not isinstance(data, dict):
        raise RecipeError([Problem("", "a recipe is an object with keys, as {…}.")], label)
    check_limits(data, label)
    paths = tuple(_override(data, word) for word in overrides)
    if paths:
        check_limits(data, label)
    return Source(data, label, folder, stem, paths, any_plugin_file=isinstance(recipe, Mapping))


def _copy(recipe: Mapping[str, Any], label: str) -> Any:
    """What the recipe would be as a file: paths as strings, tuples as lists."""
    try:
        return json.loads(json.dumps(recipe, allow_nan=False, default=os.fspath))
    except RecursionError:
        raise RecipeError([Problem("", f"is nested deeper than {MAX_DEPTH} levels.")], label) from None
    except (TypeError, ValueError) as error:
        raise RecipeError([Problem("", f"cannot be written as JSON: {error}.")], label) from None


def _override(data: dict[str, Any], word: str) -> str:
    """Apply one `path=value` to the data; return the path as messages write it."""
    path, equals, text = word.partition("=")
    found = re.findall(r"(\[?)([^.\[\]]+)", path)
    steps, positions = [step for _, step in found], [bool(bracket) for bracket, _ in found]
    if not equals or not steps:
        raise UsageError(f'--set {word}: write it as path=value, for example "optimizer.lr=0.01".')
    target: Any = data
    keys: list[str | int] = []
    for step, following, is_position in zip(steps, [*steps[1:], None], positions, strict=True):
        key: Any = step
        if isinstance(target, list) or (is_position and not target):
            if not target:
                raise _no_position(join_path("", keys), isinstance(target, list), word)
            if not re.fullmatch("[0-9]{1,9}", step) or int(step) >= len(target):
                raise UsageError(f"--set {word}: {step!r} is no position in a list of {len(target)}.")
            key = int(step)
        keys.append(key)
        if following is None:
            target[key] = _parse_value(text, word)
            break
        child = target[key] if isinstance(target, list) else target.get(key)
        if isinstance(child, str):
            child = {"type": child}  # a bare name is about to get settings
        elif child is None:
            child = {}
        elif not isinstance(child, dict | list):
            raise UsageError(f"--set {word}: {step!r} holds {child!r}, which has no settings.")
        target[key] = child
        target = child
    return join_path("", keys)


def _no_position(path: str, is_list: bool, word: str) -> UsageError:
    """The error for a change of an item where there is none."""
    what = f"{path} is an empty list" if is_list else f"the recipe gives no {path or 'list'}"
    return UsageError(
        f"--set {word}: {what}, so there is no item to change.",
        f'Give the list as a whole: --set \'{path}=[…]\', with {{"type": "NAME"}} for a component.',
    )


def _parse_value(text: str, word: str) -> Any:
    """Read a value as JSON; what is not JSON is a string."""
    try:
        return parse_value(text)
    except RefusedValueError as error:
        raise UsageError(f"--set {word}: {error}") from None
    except ValueError:
        return text
