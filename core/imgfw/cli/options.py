"""Arguments and options that several verbs have."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click


class _Seconds(click.FloatRange):
    """A time above 0 that ends: infinity and NaN pass click's own range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        seconds = super().convert(value, param, ctx)
        if not math.isfinite(seconds):
            self.fail(f"{value} is no number of seconds.", param, ctx)
        return seconds


SECONDS = _Seconds(min=0, min_open=True)
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
