"""`imgfw evaluate`: measure the best model of a run."""

from __future__ import annotations

from pathlib import Path

import click

from imgfw.cli.invocation import Invocation
from imgfw.cli.options import json_option, run_argument
from imgfw.cli.output import print_json, say


@click.command()
@run_argument
@click.option("--split", type=click.Choice(["val", "test"]), default="test", show_default=True)
@json_option
@click.pass_obj
def evaluate(invocation: Invocation, run_folder: Path, split: str, as_json: bool) -> None:
    """Measure the best model of RUN. The figures are those of summary.json, computed again."""
    from imgfw.engine import runs

    metrics = runs.evaluate(run_folder, split=split, catalog=invocation.catalog)
    if as_json:
        print_json({"format": 1, "split": split, "metrics": metrics})
        return
    for name, value in metrics.items():
        say(f"{name} {value:.4f}")
