"""From a recipe's file to data, whatever is in the file: JSON, YAML or TOML, all by the rules of JSON."""

from __future__ import annotations

import json
import re
import stat
from collections import Counter
from pathlib import Path
from typing import Any

from imgfw.contract.errors import Problem, RecipeError, UsageError

MAX_BYTES = 1_000_000
"""Of a recipe's file."""

MAX_DEPTH = 40
"""Of the objects and lists in a recipe."""

_TOO_LONG_A_KEY = re.compile(
    rf"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){{{MAX_DEPTH}}}""", re.ASCII
)
"""A dotted key of TOML as deep as no recipe is; Python's parser takes memory with the square of its depth."""


def parse_file(file: Path) -> Any:
    """Read a recipe's file as data; at most `MAX_BYTES` of it are read.

    Raises:
        RecipeError: it is too large, no text, or breaks the rules of its format.
        UsageError: there is no such file, or PyYAML is missing.
    """
    text = _read_text(file)
    if file.suffix in (".yaml", ".yml"):
        return _parse_yaml(text, str(file))
    if file.suffix == ".toml":
        return _parse_toml(text, str(file))
    return _parse_json(text, str(file))


def _read_text(file: Path) -> str:
    label = str(file)
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise UsageError(f"Cannot read the recipe {file}: it is no regular file.", "Save it as one.")
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UsageError(f"There is no recipe {file}.", "Begin one with: imgfw init") from None
    except (OSError, ValueError) as error:  # a path with a NUL is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"Cannot read the recipe {label}: {reason}.", "Check the path.") from None
    if len(content) > MAX_BYTES:
        raise RecipeError([Problem("", f"is larger than {MAX_BYTES:,} bytes.")], label)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RecipeError([Problem("", "is not a text file in UTF-8.")], label) from None


class RefusedValueError(ValueError):
    """JSON that a recipe may not hold; the message is a sentence."""


def parse_value(text: str) -> Any:
    """Read JSON as a recipe may hold it.

    Raises:
        json.JSONDecodeError: it is no JSON.
        RefusedValueError: a key stands twice, a number has no value or too many digits, or it is too deep.
    """
    try:
        return json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except (json.JSONDecodeError, RefusedValueError):
        raise
    except RecursionError:
        raise RefusedValueError(f"is nested deeper than {MAX_DEPTH} levels.") from None
    except ValueError:  # Python's limit of digits
        raise RefusedValueError("holds a number of too many digits.") from None


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen = dict(pairs)
    if len(seen) != len(pairs):
        [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise RefusedValueError(f'the key "{twice}" stands twice in one object.')
    return seen


def _no_constant(word: str) -> Any:
    raise RefusedValueError(f"{word} is not a number that a recipe may hold.")


def _parse_json(text: str, label: str) -> Any:
    try:
        return parse_value(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise RecipeError([Problem(where, f"is not JSON: {error.msg}.")], label) from None
    except RefusedValueError as error:
        raise RecipeError([Problem("", str(error))], label) from None


def _parse_yaml(text: str, label: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise UsageError("Reading YAML recipes needs PyYAML.", "Run: pip install 'imgfw[yaml]'") from None
    from imgfw.recipe.yaml_text import parse_yaml

    try:
        written = json.dumps(parse_yaml(text))
    except yaml.MarkedYAMLError as error:
        mark, reason = error.problem_mark, error.problem
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise RecipeError([Problem(where, f"is not YAML: {reason}.")], label) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise RecipeError([Problem("", _reason("YAML", error))], label) from None
    return _parse_json(written, label)


def _parse_toml(text: str, label: str) -> Any:
    import tomllib

    try:
        if _TOO_LONG_A_KEY.search(text):
            raise RecursionError
        written = json.dumps(tomllib.loads(text), default=str)
    except (RecursionError, ValueError) as error:
        raise RecipeError([Problem("", _reason("TOML", error))], label) from None
    return _parse_json(written, label)


def _reason(language: str, error: Exception) -> str:
    if isinstance(error, RecursionError):
        return f"is nested deeper than {MAX_DEPTH} levels."
    if "integer string conversion" in str(error):  # Python's limit of digits
        return "holds a number of too many digits."
    return f"is not {language}: {' '.join(str(error).split())}."
