"""`imgfw check`: find what is wrong with a recipe, without data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from imgfw.cli.failures import complain
from imgfw.cli.invocation import Invocation
from imgfw.cli.options import recipe_argument, set_option
from imgfw.cli.output import say
from imgfw.contract.wording import counted

if TYPE_CHECKING:
    from imgfw.catalog.provider import Provider
    from imgfw.recipe.resolving import ResolvedRecipe


@click.command()
@recipe_argument
@set_option
@click.pass_obj
def check(invocation: Invocation, recipe: Path, overrides: tuple[str, ...]) -> None:
    """Find everything that is wrong with RECIPE. No data is read."""
    from imgfw.recipe import checking
    from imgfw.recipe.reading import read_recipe

    checked = checking.check(read_recipe(recipe, overrides), invocation.catalog)
    for warning in checked.warnings:
        complain("warning", str(warning))
    say(f"{recipe} is right: {_parts(checked.recipe)}")
    if not invocation.quiet:
        say(f"  {_course(checked.recipe)}")
        say(f"  {_aims(checked.recipe)}")


def _parts(resolved: ResolvedRecipe) -> str:
    model, data, task = (node.provider for node in (resolved.model, resolved.data, resolved.task))
    return f"{_name(model)} on {_name(data)} ({_name(task)})."


def _course(resolved: ResolvedRecipe) -> str:
    train, loader = resolved.recipe.train, resolved.recipe.loader
    if train.steps is not None:
        length = counted(train.steps, "step")
    else:
        length = counted(train.epochs or 0, "epoch")
    optimizer, schedule = _name(resolved.optimizer.provider), _name(resolved.scheduler.provider)
    return (
        f"{length} of batches of {loader.batch_size} with {optimizer}, schedule {schedule}, "
        f"loss {_name(resolved.loss.provider)}"
    )


def _aims(resolved: ResolvedRecipe) -> str:
    from imgfw.recipe.checking import aim_of

    monitor, mode = aim_of(resolved)
    callbacks = ", ".join(_name(node.provider) for node in resolved.callbacks) or "none"
    return f"best is the {mode}imum of {monitor}; callbacks: {callbacks}"


def _name(provider: Provider) -> str:
    from imgfw.catalog.discovery import BUILTIN

    return provider.name if provider.plugin == BUILTIN else provider.qualified
