"""`imgfw bench`: how fast a recipe trains, and how fast it could."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from imgfw.cli.invocation import Invocation
from imgfw.cli.options import SECONDS, json_option, recipe_argument, set_option
from imgfw.cli.output import print_json, print_table
from imgfw.contract.wording import as_rate, counted, in_units

_ROWS = {
    "sol": "the model's own step on resident batches",
    "loader": "what the input delivers to nobody",
    "limit": "what the two allow together",
    "run": "the real loop in its steady state",
    "wall": "a whole process of {steps}, start-up, evaluation and saving included",
    "raw": "the tutorial's loop: fp32, PIL images one by one, in line",
}


@click.command()
@recipe_argument
@set_option
@click.option(
    "--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Windows of each kind."
)
@click.option(
    "--seconds",
    type=SECONDS,
    default=1.0,
    show_default=True,
    help="The least that a window lasts.",
)
@click.option("--steps", type=click.IntRange(min=1), help="Steps of the whole process; RUN's by default.")
@click.option("--against", type=click.Choice(["raw"]), help="Time the loop of PyTorch's tutorials, too.")
@json_option
@click.pass_obj
def bench(
    invocation: Invocation,
    recipe: Path,
    overrides: tuple[str, ...],
    rounds: int,
    seconds: float,
    steps: int | None,
    against: str | None,
    as_json: bool,
) -> None:
    """Measure how fast RECIPE trains here, and how fast it could. Nothing of it is kept."""
    from imgfw.engine.speed.bench import Effort
    from imgfw.engine.speed.bench import bench as measure

    group = [word for word in invocation.group_words() if word != "--quiet"]
    measured = measure(
        recipe,
        overrides=overrides,
        effort=Effort(rounds, seconds, steps, against == "raw"),
        catalog=invocation.catalog,
        command=[sys.executable, "-m", "imgfw", "--quiet", *group],
        say=lambda text: None if invocation.quiet else click.echo(text, err=True),
    )
    if as_json:
        print_json(measured.to_json())
    else:
        show(measured.to_json())


def show(result: dict[str, Any]) -> None:
    """Print what `bench --json` holds as tables."""
    rows, steps = [], counted(result["wall_steps"], "step")
    for name, meaning in _ROWS.items():
        if rate := result[name]:
            span = f"{as_rate(rate['min'])}..{as_rate(rate['max'])}" if rate["min"] != rate["max"] else ""
            rows.append([name.upper(), as_rate(rate["median"]), span, meaning.format(steps=steps)])
    print_table(rows, ("", "images/s", "range", ""))
    click.echo()
    print_table(list(_figures(result).items()))


def _figures(result: dict[str, Any]) -> dict[str, str]:
    """Everything but the rates, for a person."""
    syncs, used = result["host_syncs_per_step"], result["mfu"]
    figures = {"RUN / LIMIT": f"{result['run_over_limit']:.3f}", "RUN / SOL": f"{result['run_over_sol']:.3f}"}
    if result["raw"]:
        figures["RUN / RAW"] = f"{result['run_over_raw']:.2f}"
    figures["host syncs a step"] = "not applicable" if syncs is None else f"{syncs:g}"
    figures["peak memory"] = in_units(result["peak_memory_bytes"])
    if used is not None:
        figures["MFU"] = f"{used:.1%}"
    settings = ", ".join(f"{name} {value}" for name, value in result["settings"].items())
    return {**figures, "with": settings}
