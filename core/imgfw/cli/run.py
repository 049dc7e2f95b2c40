"""`imgfw run`: train."""

from __future__ import annotations

import os
from pathlib import Path

import click

from imgfw.cli.invocation import Invocation
from imgfw.cli.options import FILE, set_option


@click.command()
@click.argument("recipe", type=FILE, required=False)
@set_option
@click.option("--resume", metavar="RUN", type=FILE, help="Go on with the run in this folder.")
@click.option(
    "--nproc",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Train with N processes on this machine.",
)
@click.pass_obj
def run(
    invocation: Invocation, recipe: Path | None, overrides: tuple[str, ...], resume: Path | None, nproc: int
) -> None:
    """Train what RECIPE says, and test the best model. Prints where the run is kept."""
    _refuse_contradictions(recipe, overrides, resume)
    if nproc > 1:
        _run_processes(invocation, recipe, overrides, resume, nproc)
        return
    from imgfw.engine import runs

    if resume is not None:
        result = runs.resume(resume, catalog=invocation.catalog, quiet=invocation.quiet)
    else:
        assert recipe is not None
        result = runs.run(recipe, overrides=overrides, catalog=invocation.catalog, quiet=invocation.quiet)
    if invocation.quiet and os.environ.get("RANK", "0") == "0":
        click.echo(result.folder)


def _refuse_contradictions(recipe: Path | None, overrides: tuple[str, ...], resume: Path | None) -> None:
    if (recipe is None) == (resume is None):
        raise click.UsageError("Name either a RECIPE or, with --resume, the RUN to go on with.")
    if resume is not None and overrides:
        raise click.UsageError("A resumed run keeps its recipe: --set and --resume exclude each other.")


def _run_processes(
    invocation: Invocation,
    recipe: Path | None,
    overrides: tuple[str, ...],
    resume: Path | None,
    nproc: int,
) -> None:
    """Start the processes, once the recipe is known to be right."""
    from imgfw.cli.processes import launch

    what = ["--resume", str(resume)]
    if recipe is not None:
        from imgfw.recipe.checking import check
        from imgfw.recipe.reading import read_recipe

        check(read_recipe(recipe, overrides), invocation.catalog)
        what = [*(part for word in overrides for part in ("--set", word)), "--", str(recipe)]
    code = launch(["-m", "imgfw", *invocation.group_words(), "run", *what], nproc)
    if code:
        click.get_current_context().exit(code)
