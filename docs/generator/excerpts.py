"""What stands in generated blocks of pages that people write."""

from __future__ import annotations

import inspect
import textwrap
import tomllib
from collections.abc import Callable
from pathlib import Path

from generator import markdown
from generator.markdown import code


def _file(root: Path, name: str) -> str:
    """A file of the repository; a JSON file is a recipe."""
    language = {".json": "json recipe", ".py": "python", ".toml": "toml"}[Path(name).suffix]
    return markdown.block((root / name).read_text(encoding="utf-8"), language)


def _offered(root: Path, argument: str) -> str:
    """What imgfw offers to the providers of each kind."""
    from imgfw.contract.kinds import KINDS

    rows = [
        (
            code(kind.hook),
            ", ".join(map(code, kind.offered)) or "nothing",
            ", ".join(map(code, kind.reserved)),
        )
        for kind in KINDS.values()
    ]
    return markdown.table(
        ("Hook", "Parameters before the star", "Settings that imgfw keeps for itself"), rows
    )


def _loop(root: Path, argument: str) -> str:
    """The order of work, as the module of the loop states it."""
    from imgfw.engine import training

    paragraphs = (inspect.getdoc(training) or "").split("\n\n")
    return markdown.block(textwrap.dedent(paragraphs[1]))


def _events(root: Path, argument: str) -> str:
    """The events of callbacks."""
    from imgfw.contract.callback import EVENTS, Callback

    rows = [(code(event), inspect.getdoc(getattr(Callback, event)) or "") for event in EVENTS]
    return markdown.table(("Event", "When"), rows)


def _changes(root: Path, argument: str) -> str:
    """The table of what may be changed in the recipe of a run that goes on."""
    from imgfw.engine.resuming.changes import RULES

    rows = [
        (
            ", ".join(map(code, rule.paths)) + (f", {rule.only}" if rule.only else ""),
            rule.effect.value,
            rule.note,
        )
        for rule in RULES
    ]
    return markdown.table(("Change of", "Class", "What follows"), rows)


def _verbs(root: Path, argument: str) -> str:
    """The verbs of the command line."""
    from imgfw.cli.application import application

    rows = [
        (code(f"imgfw {name}"), command.get_short_help_str(limit=200))
        for name, command in application.commands.items()
    ]
    return markdown.table(("Command", "What it does"), rows)


def _known_plugins(root: Path, argument: str) -> str:
    """The plugins of the repository that are distributions of their own."""
    rows = []
    for file in sorted((root / "plugins").glob("imgfw-plugin-*/pyproject.toml")):
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        link = f"[{project['name']}](../plugins/{file.parent.name}/README.md)"
        rows.append((link, project["description"]))
    return markdown.table(("Plugin", "What it brings"), rows)


BLOCKS: dict[str, Callable[[Path, str], str]] = {
    "file": _file,
    "offered": _offered,
    "loop": _loop,
    "events": _events,
    "verbs": _verbs,
    "changes": _changes,
    "known-plugins": _known_plugins,
}
"""By the first word of a block's name; the rest is its argument."""
