"""`imgfw list KIND`: the components of a kind."""

from __future__ import annotations

import click

from imgfw.cli.invocation import Invocation
from imgfw.cli.kinds import find_kind, name_in_recipe, warn_of_broken_plugins
from imgfw.cli.options import json_option, kind_argument
from imgfw.cli.output import print_json, print_table


@click.command(name="list")
@kind_argument
@json_option
@click.pass_obj
def list_components(invocation: Invocation, kind: str, as_json: bool) -> None:
    """List the components of a KIND. The kinds are tasks, datasets, transforms, models, losses, optimizers,
    schedulers, metrics and callbacks."""
    catalog = invocation.catalog
    found = [
        (name_in_recipe(provider, catalog), provider.plugin, provider.description)
        for provider in catalog.providers(find_kind(kind).name)
    ]
    if as_json:
        keys = ("name", "plugin", "description")
        components = [dict(zip(keys, row, strict=True)) for row in found]
        print_json({"format": 1, "kind": find_kind(kind).name, "components": components})
        return
    warn_of_broken_plugins(catalog)
    print_table(found, header=("NAME", "PLUGIN", "DESCRIPTION"))
