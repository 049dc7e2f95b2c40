"""The command `imgfw-optuna`."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import Any, get_args

import click
import imgfw

from imgfw_plugin_optuna.strategies import PrunerName, SamplerName
from imgfw_plugin_optuna.sweep import sweep

_FILE = click.Path(path_type=Path)


class Command(click.Command):
    """Shows what goes wrong as a sentence, and exits as imgfw does."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise  # click's own to handle
        except imgfw.ImgfwError as error:
            _complain(error, str(error))
            ctx.exit(error.exit_code)
        except KeyboardInterrupt as error:
            _complain(error, "interrupted; the study is saved, and the same command goes on with it")
            ctx.exit(130)
        except Exception as error:
            _complain(error, f"{type(error).__name__}: {error}; run again with IMGFW_DEBUG=1 to see where")
            ctx.exit(1)


def _complain(error: BaseException, text: str) -> None:
    if os.environ.get("IMGFW_DEBUG", "") not in ("", "0"):
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    click.echo(f"{click.style('error:', fg='red')} {text}", err=True)


@click.command(cls=Command, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("recipe", type=_FILE)
@click.argument("space", type=_FILE)
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Trials that the study is to have in the end, those of earlier calls included.",
)
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Begin no trial after that.")
@click.option("--study", metavar="NAME", help="The study's name; by default the recipe's name and -sweep.")
@click.option(
    "--storage",
    metavar="URL",
    help="Optuna's storage, as sqlite:///studies.db; by default study.db in the study's folder.",
)
@click.option(
    "--sampler",
    type=click.Choice(get_args(SamplerName)),
    default="tpe",
    show_default=True,
    help="How values are chosen; grid tries every combination once.",
)
@click.option(
    "--pruner",
    type=click.Choice(get_args(PrunerName)),
    default="median",
    show_default=True,
    help="Which trials are stopped early.",
)
@click.option("--seed", type=int, help="Choose the same values each time, if one process searches alone.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="Change a value of the recipe in all trials, as train.epochs=5. Repeatable.",
)
def main(
    recipe: Path,
    space: Path,
    trials: int,
    timeout: float | None,
    study: str | None,
    storage: str | None,
    sampler: SamplerName,
    pruner: PrunerName,
    seed: int | None,
    overrides: tuple[str, ...],
) -> None:
    """Search the settings of RECIPE that SPACE names for the best value of what is monitored.

    Each trial is a run. The study is kept: the same command goes on where it was stopped, and several may
    work on one study at once.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sweep(
        recipe,
        space,
        trials=trials,
        overrides=overrides,
        study=study,
        storage=storage,
        timeout=timeout,
        sampler=sampler,
        pruner=pruner,
        seed=seed,
    )
