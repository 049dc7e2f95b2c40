"""`imgfw list-plugins`: the plugins, and what is wrong with those that cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfw.cli.invocation import Invocation
from imgfw.cli.options import json_option
from imgfw.cli.output import print_json, print_table, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfw.catalog.catalog import Catalog
    from imgfw.catalog.loading import Plugin


@click.command()
@json_option
@click.option(
    "--requirements", is_flag=True, help="Print those of others as pip takes them, as NAME==VERSION."
)
@click.pass_obj
def list_plugins(invocation: Invocation, as_json: bool, requirements: bool) -> None:
    """List the plugins, and why one cannot be used."""
    catalog = invocation.catalog
    if requirements and as_json:
        raise click.UsageError("--json and --requirements exclude each other.")
    if requirements:
        for line in catalog.requirements():
            say(line)
        return
    plugins = catalog.plugins()
    if as_json:
        print_json({"format": 1, "plugins": [_as_data(plugin, catalog) for plugin in plugins]})
        return
    rows = [
        (
            plugin.name,
            plugin.version or "-",
            plugin.status,
            f"{plugin.seconds:.2f}",
            _last_column(plugin, catalog),
        )
        for plugin in plugins
    ]
    print_table(rows, header=("NAME", "VERSION", "STATUS", "SECONDS", "PROVIDES"))


def _as_data(plugin: Plugin, catalog: Catalog) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "version": plugin.version,
        "status": plugin.status,
        "reason": plugin.reason,
        "provides": {kind: [item.name for item in items] for kind, items in plugin.providers.items()},
        "seconds": round(plugin.seconds, 4),
        "imports_torch": plugin.imports_torch,
        "api": plugin.api,
        "shadows": {
            "names": catalog.shared_names(plugin),
            "installs": [str(folder) for folder in catalog.declaration(plugin.name).shadowed],
        },
    }


def _last_column(plugin: Plugin, catalog: Catalog) -> str:
    """What it provides, and what its reader should know; or why it provides nothing."""
    from imgfw.contract.kinds import KINDS
    from imgfw.contract.wording import counted

    counts = [counted(len(items), KINDS[kind].singular) for kind, items in plugin.providers.items() if items]
    remarks = "; ".join(filter(None, (plugin.reason, *_shadows(plugin, catalog))))
    provides = ", ".join(counts) or ("" if plugin.reason else "nothing")
    return f"{provides} ({remarks})" if provides and remarks else provides or remarks


def _shadows(plugin: Plugin, catalog: Catalog) -> Iterator[str]:
    """The names that do not reach it alone, and the installations that it hides."""
    from imgfw.catalog.discovery import BUILTIN
    from imgfw.contract.kinds import KINDS

    if plugin.name != BUILTIN:
        for kind, shared in catalog.shared_names(plugin).items():
            for name, others in shared.items():
                meaning = "means imgfw's" if BUILTIN in others else f"is also of {', '.join(others)}"
                yield f'{KINDS[kind].singular} "{name}" {meaning}; this one is {plugin.name}/{name}'
    for folder in catalog.declaration(plugin.name).shadowed:
        yield f"hides {folder}"
