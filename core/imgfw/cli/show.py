"""`imgfw show`: every value of a recipe and where it comes from."""

from __future__ import annotations

import json
from pathlib import Path

import click

from imgfw.cli.invocation import Invocation
from imgfw.cli.options import json_option, recipe_argument, set_option
from imgfw.cli.output import print_json, print_table


@click.command()
@recipe_argument
@set_option
@json_option
@click.pass_obj
def show(invocation: Invocation, recipe: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Print every value of RECIPE and its origin. Defaults are values too."""
    from imgfw.recipe.checking import check
    from imgfw.recipe.explain import explain
    from imgfw.recipe.reading import read_recipe

    resolved = check(read_recipe(recipe, overrides), invocation.catalog).recipe
    if as_json:
        print_json(resolved.to_json())
        return
    rows = [
        (value.path, value.origin, json.dumps(value.value, ensure_ascii=False)) for value in explain(resolved)
    ]
    print_table(rows, header=("PATH", "FROM", "VALUE"))
