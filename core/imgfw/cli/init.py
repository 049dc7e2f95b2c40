"""`imgfw init`: begin a recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imgfw.cli.invocation import Invocation
from imgfw.cli.options import FILE
from imgfw.cli.output import say
from imgfw.contract.errors import UsageError

if TYPE_CHECKING:
    from imgfw.catalog.catalog import Catalog

SCHEMA_FILE = "imgfw.schema.json"


@click.command()
@click.argument("file", type=FILE, default="recipe.json")
@click.option(
    "--from",
    "name",
    default="classification",
    show_default=True,
    metavar="NAME",
    help="A task, or an example that ships with imgfw, as cifar10_resnet50.",
)
@click.pass_obj
def init(invocation: Invocation, file: Path, name: str) -> None:
    """Begin a recipe in FILE. The file is recipe.json if none is named. Beside it is written the schema by
    which editors complete and check it; no other file is overwritten."""
    from imgfw.recipe.starters import find_starter, starter_files

    if file.suffix != ".json":
        raise UsageError(f"{file} is no name for a recipe in JSON.", f"Write: imgfw init {file.stem}.json")
    schema = file.parent / SCHEMA_FILE
    recipe, *plugins = starter_files(find_starter(name), SCHEMA_FILE).items()
    texts = {file: recipe[1]} | {file.parent / other: text for other, text in plugins}
    _refuse_to_overwrite(texts, schema)
    catalog = invocation.catalog
    file.parent.mkdir(parents=True, exist_ok=True)
    for target, text in texts.items():
        target.write_text(text, encoding="utf-8")
    _write_schema(catalog, schema, [target for target in texts if target.suffix == ".py"])
    if not invocation.quiet:
        say(f"wrote {', '.join(map(str, (*texts, schema)))}")
        say(f"next: imgfw check {file}, then imgfw run {file}")


def _refuse_to_overwrite(texts: dict[Path, str], schema: Path) -> None:
    existing = [file for file in texts if file.exists()]
    if schema.exists() and not _is_schema_of_recipes(schema):
        existing.append(schema)
    if existing:
        raise UsageError(f"{existing[0]} is there already.", "Name another file, or move it away.")


def _is_schema_of_recipes(file: Path) -> bool:
    """Whether a file was written by imgfw, so that it may be written anew."""
    from imgfw.recipe.json_schema import TITLE

    try:
        held = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(held, dict) and held.get("title") == TITLE


def _write_schema(catalog: Catalog, file: Path, plugins: list[Path]) -> None:
    """Write the schema of what is installed and of the plugin files that the recipe lists."""
    from imgfw.recipe.json_schema import recipe_schema

    for plugin in plugins:
        catalog.add_file(str(plugin), plugin)
    text = json.dumps(recipe_schema(catalog), indent=1, ensure_ascii=False)
    file.write_text(text + "\n", encoding="utf-8")
