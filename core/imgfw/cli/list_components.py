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
    catalog, plural = invocation.catalog, find_kind(kind).name
    found = [
        {
            "name": name_in_recipe(provider, catalog),
            "plugin": provider.plugin,
            "description": provider.description,
        }
        for provider in catalog.providers(plural)
    ]
    if as_json:
        print_json({"format": 1, "kind": plural, "components": found})
        return
    warn_of_broken_plugins(catalog)
    print_table([(item["name"], _described(item)) for item in found], header=("NAME", "DESCRIPTION"))


def _described(component: dict[str, str]) -> str:
    """The description, with the plugin where it is not the built-in one."""
    from imgfw.catalog.discovery import BUILTIN

    owner = component["plugin"]
    return component["description"] if owner == BUILTIN else f"{component['description']} ({owner})"
