"""`imgfw run`: train."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from imgfw.cli.invocation import Invocation
from imgfw.cli.options import FILE, set_option


@click.command()
@click.argument("recipe", type=FILE, required=False)
@set_option
@click.option("--resume", metavar="RUN", type=FILE, help="Go on with the run in this folder.")
@click.option(
    "--allow-changes",
    is_flag=True,
    help="Resume with changes, by RECIPE or --set, of what the steps compute.",
)
@click.option(
    "--nproc",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Train with N processes on this machine.",
)
@click.pass_obj
def run(
    invocation: Invocation,
    recipe: Path | None,
    overrides: tuple[str, ...],
    resume: Path | None,
    allow_changes: bool,
    nproc: int,
) -> None:
    """Train what RECIPE says, and test the best model. Prints where the run is kept."""
    if recipe is None and resume is None:
        raise click.UsageError("Name a RECIPE or, with --resume, the RUN to go on with.")
    if allow_changes and resume is None:
        raise click.UsageError("--allow-changes belongs to --resume.")
    if nproc > 1:
        _run_processes(invocation, recipe, overrides, resume, nproc)
        return
    from imgfw.engine import runs

    common: dict[str, Any] = {"catalog": invocation.catalog, "quiet": invocation.quiet}
    if resume is not None:
        result = runs.resume(resume, recipe, overrides=overrides, allow_changes=allow_changes, **common)
    else:
        assert recipe is not None
        result = runs.run(recipe, overrides=overrides, **common)
    if invocation.quiet and os.environ.get("RANK", "0") == "0":
        click.echo(result.folder)


def _run_processes(
    invocation: Invocation,
    recipe: Path | None,
    overrides: tuple[str, ...],
    resume: Path | None,
    nproc: int,
) -> None:
    """Start the processes, which are given the same words, once the recipe is known to be right."""
    from imgfw.cli.processes import launch

    words = [part for word in overrides for part in ("--set", word)]
    if resume is not None:
        words += ["--resume", str(resume)]
        words += ["--allow-changes"] * click.get_current_context().params["allow_changes"]
    if recipe is not None:
        from imgfw.recipe.checking import check
        from imgfw.recipe.reading import read_recipe

        check(read_recipe(recipe, overrides), invocation.catalog)
        words += ["--", str(recipe)]
    code = launch(["-m", "imgfw", *invocation.group_words(), "run", *words], nproc)
    if code:
        click.get_current_context().exit(code)
