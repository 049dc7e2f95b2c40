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

MAX_BYTES = 1_000_000
MAX_DEPTH = 40


@dataclass(frozen=True)
class Source:
    """A recipe as it was given.

    Attributes:
        raw: its data, `--set` applied.
        label: what to call it in messages, its path as a rule.
        folder: what the paths in it are relative to.
        stem: the file's name without suffix, the default name of the run.
        overridden: the paths that `--set` changed.
    """

    raw: Mapping[str, Any]
    label: str
    folder: Path
    stem: str
    overridden: tuple[str, ...] = ()

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
        data = _parse_file(file)
    if not isinstance(data, dict):
        raise RecipeError([Problem("", "a recipe is an object with keys, as {…}.")], label)
    _check_depth(data, label)
    paths = tuple(_override(data, word) for word in overrides)
    return Source(data, label, folder, stem, paths)


def _copy(recipe: Mapping[str, Any], label: str) -> Any:
    """What the recipe would be as a file: paths as strings, tuples as lists."""
    try:
        return json.loads(json.dumps(recipe, allow_nan=False, default=os.fspath))
    except (TypeError, ValueError) as error:
        raise RecipeError([Problem("", f"cannot be written as JSON: {error}.")], label) from None


def _parse_file(file: Path) -> Any:
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise RecipeError([Problem("", f"is {size:,} bytes, more than {MAX_BYTES:,}.")], str(file))
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = "There is no recipe" if isinstance(error, FileNotFoundError) else "Cannot read the recipe"
        raise UsageError(f"{reason} {file}.", "Begin one with: imgfw init") from None
    except UnicodeDecodeError:
        raise RecipeError([Problem("", "is not a text file in UTF-8.")], str(file)) from None
    if file.suffix in (".yaml", ".yml"):
        return _parse_yaml(text, str(file))
    if file.suffix == ".toml":
        return _parse_toml(text, str(file))
    return _parse_json(text, str(file))


class _DuplicateKeyError(ValueError):
    pass


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen = dict(pairs)
    if len(seen) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _DuplicateKeyError(f'the key "{twice}" stands twice in one object.')
    return seen


def _no_constant(word: str) -> Any:
    raise _DuplicateKeyError(f"{word} is not a number that a recipe may hold.")


def _parse_json(text: str, label: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise RecipeError([Problem(where, f"is not JSON: {error.msg}.")], label) from None
    except _DuplicateKeyError as error:
        raise RecipeError([Problem("", str(error))], label) from None
    except (RecursionError, ValueError) as error:
        raise RecipeError([Problem("", f"cannot be read: {error}.")], label) from None


def _parse_yaml(text: str, label: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise UsageError("Reading YAML recipes needs PyYAML.", "Run: pip install 'imgfw[yaml]'") from None
    from imgfw.recipe.yaml_text import parse_yaml

    try:
        return _parse_json(json.dumps(parse_yaml(text)), label)
    except yaml.MarkedYAMLError as error:
        mark, reason = error.problem_mark, error.problem
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise RecipeError([Problem(where, f"is not YAML: {reason}.")], label) from None
    except yaml.YAMLError as error:
        raise RecipeError([Problem("", f"is not YAML: {' '.join(str(error).split())}.")], label) from None


def _parse_toml(text: str, label: str) -> Any:
    import tomllib

    try:
        return _parse_json(json.dumps(tomllib.loads(text), default=str), label)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError([Problem("", f"is not TOML: {error}.")], label) from None


def _check_depth(value: Any, label: str, depth: int = 0) -> None:
    if depth > MAX_DEPTH:
        raise RecipeError([Problem("", f"is nested deeper than {MAX_DEPTH} levels.")], label)
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        _check_depth(child, label, depth + 1)


def _override(data: dict[str, Any], word: str) -> str:
    """Apply one `path=value` to the data; return the path as messages write it."""
    path, equals, text = word.partition("=")
    steps = re.findall(r"[^.\[\]]+", path)
    if not equals or not steps:
        raise UsageError(f'--set {word}: write it as path=value, for example "optimizer.lr=0.01".')
    target: Any = data
    keys: list[str | int] = []
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        key: Any = step
        if isinstance(target, list):
            if not step.isdigit() or int(step) >= len(target):
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


def _parse_value(text: str, word: str) -> Any:
    """Read a value as JSON; what is not JSON is a string."""
    try:
        return json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except _DuplicateKeyError as error:
        raise UsageError(f"--set {word}: {error}") from None
    except ValueError:
        return text
