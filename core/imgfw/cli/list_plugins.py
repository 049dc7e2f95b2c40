"""`imgfw list-plugins`: the plugins, and what is wrong with those that cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfw.cli.invocation import Invocation
from imgfw.cli.options import json_option
from imgfw.cli.output import print_json, print_table

if TYPE_CHECKING:
    from imgfw.catalog.loading import Plugin


@click.command()
@json_option
@click.pass_obj
def list_plugins(invocation: Invocation, as_json: bool) -> None:
    """List the plugins, and why one cannot be used."""
    plugins = invocation.catalog.plugins()
    if as_json:
        print_json({"format": 1, "plugins": [_as_data(plugin) for plugin in plugins]})
        return
    rows = [
        (plugin.name, plugin.version or "-", plugin.status, f"{plugin.seconds:.2f}", _last_column(plugin))
        for plugin in plugins
    ]
    print_table(rows, header=("NAME", "VERSION", "STATUS", "SECONDS", "PROVIDES"))


def _as_data(plugin: Plugin) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "version": plugin.version,
        "status": plugin.status,
        "reason": plugin.reason,
        "provides": {kind: [item.name for item in items] for kind, items in plugin.providers.items()},
        "seconds": round(plugin.seconds, 4),
        "imports_torch": plugin.imports_torch,
    }


def _last_column(plugin: Plugin) -> str:
    """What it provides, or why it provides nothing."""
    from imgfw.contract.kinds import KINDS

    counts = [
        f"{len(items)} {kind if len(items) > 1 else KINDS[kind].singular}"
        for kind, items in plugin.providers.items()
        if items
    ]
    provides = ", ".join(counts) or ("" if plugin.reason else "nothing")
    return f"{provides} ({plugin.reason})" if provides and plugin.reason else provides or plugin.reason
