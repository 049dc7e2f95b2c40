"""`imgfw verify-resume`: whether a recipe, with its plugins, resumes bit for bit."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imgfw.cli.invocation import Invocation
from imgfw.cli.options import json_option, recipe_argument, set_option
from imgfw.cli.output import print_json, print_table
from imgfw.contract.errors import PluginError
from imgfw.contract.wording import counted

if TYPE_CHECKING:
    from imgfw.engine.resuming.verification import Verification


@click.command("verify-resume")
@recipe_argument
@set_option
@click.option(
    "--steps",
    type=click.IntRange(min=2),
    metavar="N",
    help="Optimizer steps of each run. By default 24, or one and a half epochs of up to 64 steps.",
)
@click.option(
    "--interruptions",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    metavar="K",
    help="How often the second run is interrupted.",
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="S", help="Chooses where.")
@click.option("--kill", is_flag=True, help="Kill processes, in place of interrupting in this one.")
@json_option
@click.pass_obj
def verify_resume(
    invocation: Invocation,
    recipe: Path,
    overrides: tuple[str, ...],
    steps: int | None,
    interruptions: int,
    seed: int,
    kill: bool,
    as_json: bool,
) -> None:
    """Try whether RECIPE resumes bit for bit.

    Trains it for some steps straight, and again interrupted and resumed, in temporary folders, and compares
    everything that the two end with. Exits with 0 where all is equal, and with 4 where something is not: a
    component then keeps a state that it doesn't save, or computes something else every time.
    """
    from imgfw.engine.resuming import verification

    result = verification.verify_resume(
        recipe,
        overrides=overrides,
        steps=steps,
        interruptions=interruptions,
        seed=seed,
        kill=invocation.group_words() if kill else None,
        catalog=invocation.catalog,
    )
    if as_json:
        print_json({"format": 1, "passed": result.passed, **dataclasses.asdict(result)})
    else:
        _show(result)
    if not result.passed:
        raise PluginError(*_complaint(result))


def _show(result: Verification) -> None:
    places = ", ".join(map(str, result.resumed_from))
    times = counted(len(result.resumed_from), "interruption")
    click.echo(
        f"{result.steps} steps, {result.steps_per_epoch} an epoch; {times}, resumed from step {places}"
    )
    print_table([(row.verdict, row.name, row.detail) for row in result.rows])
    for sentence in () if result.passed else result.lost:
        click.echo(f"not the same after resuming: {sentence}")


def _complaint(result: Verification) -> tuple[str, str]:
    """What went wrong, and what to do."""
    wrong = {row.verdict: row.name for row in reversed(result.rows) if row.verdict != "equal"}
    if "differs" not in wrong:
        return (
            "Two runs without interruptions differ too, so nothing can be said of resuming.",
            "Find what draws from a generator that imgfw doesn't seed, or computes in no fixed order.",
        )
    hint = "A component has state that it doesn't save; look at those that were not the same after resuming."
    if not result.lost:
        hint = "A component has state that it doesn't save: a callback's belongs in state_dict."
    return f"The interrupted run ended with another {wrong['differs']}.", hint
