"""The page of the command line, from the program's own help."""

from __future__ import annotations

import click
from imgfw.cli.application import application

from generator import markdown

_WIDTH = 88


def page() -> str:
    """The help of the program, then of each verb."""
    root = _context(application, "imgfw")
    verbs = [
        (name, application.commands[name].get_help(_context(application.commands[name], name, root)))
        for name in application.list_commands(root)
    ]
    return markdown.page(
        "# The command line",
        "What `imgfw --help` and `imgfw VERB --help` print. Options of the program stand before the verb: "
        "`imgfw --quiet run recipe.json`.",
        markdown.block(application.get_help(root)),
        *(f"## imgfw {name}\n\n{markdown.block(text)}" for name, text in verbs),
    )


def _context(command: click.Command, name: str, parent: click.Context | None = None) -> click.Context:
    settings = dict(command.context_settings)
    return click.Context(
        command,
        info_name=name,
        parent=parent,
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
        color=False,
        **settings,
    )
