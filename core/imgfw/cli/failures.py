"""From an exception to a sentence on stderr and an exit code."""

from __future__ import annotations

import os
import traceback

import click

from imgfw.contract.errors import ImgfwError

DEBUG = "IMGFW_DEBUG"
"""The environment variable that shows tracebacks."""

SIGINT_EXIT = 130


def debugging() -> bool:
    """Whether tracebacks are wanted."""
    return os.environ.get(DEBUG, "") not in ("", "0")


def exit_code_of(error: BaseException) -> int:
    """Tell the person what went wrong, and return the exit code that says so to a program."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if debugging():
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    if isinstance(error, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return SIGINT_EXIT
    if isinstance(error, ImgfwError):
        complain("error", str(error))
        return error.exit_code
    text = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".: ")
    complain("unexpected error", f"{text}; run again with {DEBUG}=1 to see where")
    return 1


def complain(label: str, text: str) -> None:
    """Print a labelled sentence on stderr: red on a terminal for errors, yellow for the rest."""
    colour = "red" if "error" in label else "yellow"
    click.echo(f"{click.style(f'{label}:', fg=colour)} {text}", err=True)
