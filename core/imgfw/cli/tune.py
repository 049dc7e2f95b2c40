"""`imgfw tune`: find a recipe's fastest settings on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from imgfw.cli.invocation import Invocation
from imgfw.cli.options import FILE, SECONDS, json_option, recipe_argument
from imgfw.cli.output import print_json, print_table
from imgfw.contract.wording import as_rate

if TYPE_CHECKING:
    from imgfw.engine.speed.tuning import Tuned


@click.command()
@recipe_argument
@click.option(
    "--out",
    type=FILE,
    help="The new recipe, a .json file in RECIPE's own folder, since the paths in it are relative to that "
    "folder; NAME.tuned.json by default.",
)
@click.option(
    "--budget-seconds",
    "budget",
    type=SECONDS,
    default=60.0,
    show_default=True,
    help="How long to time; building and warming up come on top.",
)
@json_option
@click.pass_obj
def tune(invocation: Invocation, recipe: Path, out: Path | None, budget: float, as_json: bool) -> None:
    """Time number formats and workers on this machine, and write RECIPE with the fastest of them."""
    from imgfw.engine.speed import tuning

    tuned = tuning.tune(
        recipe,
        out=out or recipe.with_name(f"{recipe.stem}.tuned.json"),
        budget=budget,
        catalog=invocation.catalog,
        say=lambda text: None if invocation.quiet else click.echo(text, err=True),
    )
    if as_json:
        print_json(tuned.to_json())
    else:
        _print(tuned)


def _print(tuned: Tuned) -> None:
    from imgfw.engine.speed.tuning import label_of

    rows = [
        [
            trial.question,
            str(trial.stage),
            as_rate(trial.rate.median),
            f"{as_rate(trial.rate.min)}..{as_rate(trial.rate.max)}",
            label_of(trial.settings),
        ]
        for trial in tuned.trials
    ]
    print_table(rows, ("timed", "stages", "images/s", "range", "with"))
    click.echo(f"{tuned.out} holds {label_of(tuned.chosen)}")
