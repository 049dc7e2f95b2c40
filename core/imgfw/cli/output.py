"""Printing: aligned tables and JSON."""

from __future__ import annotations

import json
import math
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

import click

from imgfw.contract.terminal import printable

_MIN_LAST_COLUMN = 24


def say(text: object) -> None:
    """Print a text that may come from outside."""
    click.echo(printable(str(text)))


def print_table(rows: Sequence[Sequence[str]], header: Sequence[str] = (), indent: int = 0) -> None:
    """Print rows in aligned columns; on a terminal the last column is wrapped to its width."""
    table = [list(header), *map(list, rows)] if header else [list(row) for row in rows]
    if not table:
        return
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]) - 1)]
    start = indent + sum(widths) + 2 * len(widths)
    for number, row in enumerate(table):
        first = "".join(f"{cell:<{width}}  " for cell, width in zip(row, widths, strict=False))
        for piece, text in enumerate(_wrap(row[-1], start)):
            line = printable(f"{' ' * indent}{first}{text}" if piece == 0 else " " * start + text)
            heading = header and number == 0
            click.echo(click.style(line.rstrip(), bold=True) if heading else line.rstrip())


def _wrap(text: str, start: int) -> list[str]:
    if not sys.stdout.isatty():
        return [text]
    room = max(shutil.get_terminal_size().columns - start, _MIN_LAST_COLUMN)
    return textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]


def print_json(value: Any, indent: int | None = 2) -> None:
    """Print a value as JSON; numbers that are not finite become null."""
    say(json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
