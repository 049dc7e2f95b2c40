"""From an exception to a sentence on stderr and an exit code."""

from __future__ import annotations

import hashlib
import os
import traceback
from pathlib import Path

import click

from imgfw.contract.errors import ImgfwError
from imgfw.contract.terminal import printable

DEBUG = "IMGFW_DEBUG"
"""The environment variable that shows tracebacks."""

SAID = "IMGFW_SAID"
"""The environment variable that names a folder where the processes of one run note what one of them said."""

SIGINT_EXIT = 130


def debugging() -> bool:
    """Whether tracebacks are wanted."""
    return os.environ.get(DEBUG, "") not in ("", "0")


def exit_code_of(error: BaseException) -> int:
    """Tell the person what went wrong, and return the exit code that says so to a program."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if debugging():
        click.echo(printable("".join(traceback.format_exception(error))), err=True, nl=False)
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
    text = printable(text)
    if _was_said(f"{label}: {text}"):
        return
    colour = "red" if "error" in label else "yellow"
    click.echo(f"{click.style(f'{label}:', fg=colour)} {text}", err=True)


def _was_said(text: str) -> bool:
    """Whether another process of this run has said the same; if not, note that this one does."""
    folder = os.environ.get(SAID)
    if not folder:
        return False
    try:
        (Path(folder) / hashlib.sha256(text.encode()).hexdigest()).touch(exist_ok=False)
    except FileExistsError:
        return True
    except OSError:  # the folder is gone: better said twice than not at all
        return False
    return False
