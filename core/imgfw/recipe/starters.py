"""The recipes that ship with imgfw, as texts to begin a recipe from."""

from __future__ import annotations

import json
from pathlib import Path

from imgfw.catalog.selection import is_file_word
from imgfw.catalog.suggest import did_you_mean
from imgfw.contract.errors import UsageError

OF_TASKS = {
    "classification": "digits",
    "segmentation": "shapes_segmentation",
    "detection": "shapes_detection",
}
"""A recipe for each task that has one without a download."""

_PACKAGES = Path(__file__).resolve().parents[2]
_FOLDERS = (_PACKAGES.parent / "examples", _PACKAGES / "imgfw_examples")
"""The recipes of a checkout, and those of an installed wheel."""


def starters() -> dict[str, Path]:
    """The shipped recipes by name, without the parts of others that some of them use."""
    folder = next(folder for folder in _FOLDERS if (folder / "digits.json").is_file())
    return {file.stem: file for file in sorted(folder.glob("*.json"))}


def find_starter(name: str) -> Path:
    """The shipped recipe of a name, or for a task.

    Raises:
        UsageError: there is none.
    """
    shipped = starters()
    stem = OF_TASKS.get(name, name.removesuffix(".json"))
    if stem not in shipped:
        known = [*OF_TASKS, *shipped]
        hint = did_you_mean(name, known) or f"There are: {', '.join(known)}."
        raise UsageError(f'No recipe named "{name}" is shipped.', hint)
    return shipped[stem]


def starter_files(starter: Path, schema_file: str) -> dict[str, str]:
    """The text of a shipped recipe that names its schema, and of the plugin files that it lists.

    Args:
        starter: the shipped recipe.
        schema_file: the name of the schema, which will stand beside the recipe.

    Returns:
        texts by file name; the recipe's is first.
    """
    text = starter.read_text(encoding="utf-8")
    named = text.replace("{", f'{{\n  "$schema": {json.dumps(f"./{schema_file}")},', 1)
    files = [word for word in json.loads(text).get("plugins", ()) if is_file_word(word)]
    return {starter.name: named} | {
        Path(word).name: (starter.parent / word).read_text(encoding="utf-8") for word in files
    }
