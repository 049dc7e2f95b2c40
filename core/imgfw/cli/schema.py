"""`imgfw schema`: what a recipe may hold, for editors."""

from __future__ import annotations

import click

from imgfw.cli.invocation import Invocation
from imgfw.cli.kinds import warn_of_broken_plugins
from imgfw.cli.output import print_json


@click.command()
@click.pass_obj
def schema(invocation: Invocation) -> None:
    """Print the JSON Schema of recipes. It holds the components of the plugins that are installed; an editor
    completes and checks a recipe by it."""
    from imgfw.recipe.json_schema import recipe_schema

    warn_of_broken_plugins(invocation.catalog)
    print_json(recipe_schema(invocation.catalog))
