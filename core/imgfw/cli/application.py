"""The group of all verbs, and the options that stand before the verb."""

from __future__ import annotations

import os
from typing import Any

import click

from imgfw import __version__
from imgfw.cli.bench import bench
from imgfw.cli.check import check
from imgfw.cli.describe import describe
from imgfw.cli.doctor import doctor
from imgfw.cli.evaluate import evaluate
from imgfw.cli.failures import exit_code_of
from imgfw.cli.init import init
from imgfw.cli.inspect import inspect
from imgfw.cli.invocation import Invocation
from imgfw.cli.list_components import list_components
from imgfw.cli.list_plugins import list_plugins
from imgfw.cli.new_plugin import new_plugin
from imgfw.cli.predict import predict
from imgfw.cli.run import run
from imgfw.cli.schema import schema
from imgfw.cli.show import show
from imgfw.cli.tune import tune
from imgfw.cli.verify_resume import verify_resume


class Application(click.Group):
    """The verbs in the order in which they are needed, and errors as sentences."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs as they were added, not by alphabet."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb; what goes wrong becomes a sentence and an exit code."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click's own to handle
        except BaseException as error:
            ctx.exit(exit_code_of(error))


@click.group(cls=Application, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-p",
    "--plugin",
    "words",
    multiple=True,
    metavar="WORD",
    help="Choose plugins, instead of IMGFW_PLUGINS: a name to use only the named ones, no:NAME to leave one "
    "out, a file ./my_model.py, or no:./ to load no files that recipes name. Repeatable.",
)
@click.option("--strict-plugins", is_flag=True, help="Fail when any plugin is broken.")
@click.option("--quiet", is_flag=True, help="Print results and errors only.")
@click.version_option(__version__, prog_name="imgfw")
@click.pass_context
def application(ctx: click.Context, words: tuple[str, ...], strict_plugins: bool, quiet: bool) -> None:
    """Train image models from one recipe file; every part is a plugin."""
    if os.environ.get("NO_COLOR"):
        ctx.color = False
    ctx.obj = Invocation(words, strict_plugins, quiet)


for command in (
    run,
    evaluate,
    predict,
    inspect,
    bench,
    tune,
    check,
    show,
    verify_resume,
    schema,
    init,
    list_plugins,
    list_components,
    describe,
    new_plugin,
    doctor,
):
    application.add_command(command)
