"""Arguments and options that several verbs have."""

from __future__ import annotations

from pathlib import Path

import click

FILE = click.Path(path_type=Path)

recipe_argument = click.argument("recipe", type=FILE)
run_argument = click.argument("run_folder", metavar="RUN", type=FILE)
kind_argument = click.argument("kind")
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="Change a value of the recipe, as optimizer.lr=0.01. Repeatable.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
