"""`imgfw new-plugin`: begin a plugin."""

from __future__ import annotations

from pathlib import Path

import click

from imgfw.cli.invocation import Invocation
from imgfw.cli.kinds import find_kind
from imgfw.cli.options import FILE
from imgfw.cli.output import say


@click.command()
@click.argument("name")
@click.option(
    "--kind",
    "words",
    multiple=True,
    default=("models",),
    show_default=True,
    metavar="KIND",
    help="What it provides, or all. Repeatable.",
)
@click.option("--into", "parent", type=FILE, default=".", help="The folder to write its folder into.")
@click.pass_obj
def new_plugin(invocation: Invocation, name: str, words: tuple[str, ...], parent: Path) -> None:
    """Begin the plugin imgfw-plugin-NAME. Writes a distribution that works: a part of each KIND, tests,
    a recipe. The kinds are those of imgfw list."""
    from imgfw.cli.scaffold import distribution_name, plugin_files, write_plugin
    from imgfw.contract.kinds import KINDS

    distribution = distribution_name(name)
    asked = set(KINDS) if "all" in words else {find_kind(word).name for word in words}
    files = plugin_files(distribution, [kind for kind in KINDS if kind in asked])
    folder = parent / distribution
    write_plugin(folder, files)
    if not invocation.quiet:
        say("\n".join(f"wrote {folder / file}" for file in files))
        say(f'next: cd {folder}; pip install -e ".[test]"; pytest; imgfw run recipe.json')
