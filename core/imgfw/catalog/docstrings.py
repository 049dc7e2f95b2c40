"""Docstrings taken apart."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_SECTION = re.compile(r"^(Args|Attributes|Raises|Returns):$")
_ENTRY = re.compile(r"^ {4}(?P<name>[\w.*, ]+): (?P<text>.*)$")


@dataclass
class Docstring:
    """A docstring in parts.

    Attributes:
        summary: its first paragraph.
        body: what follows, without the sections.
        entries: by section, as `Args`: the text of each name.
        returns: the text of `Returns`.
    """

    summary: str = ""
    body: str = ""
    entries: dict[str, dict[str, str]] = field(default_factory=dict)
    returns: str = ""


def parse_docstring(text: str) -> Docstring:
    """Take a dedented docstring apart."""
    summary, _, rest = text.strip().partition("\n\n")
    parsed = Docstring(" ".join(summary.split()))
    body: list[str] = []
    section = ""
    held: dict[str, list[str]] = {}
    for line in rest.splitlines():
        heading = _SECTION.match(line)
        if heading:
            section = heading[1]
            held[section] = []
        elif section and (line.startswith("    ") or not line.strip()):
            held[section].append(line)
        else:
            section = ""
            body.append(line)
    parsed.body = "\n".join(body).strip()
    parsed.returns = " ".join(" ".join(held.pop("Returns", [])).split())
    parsed.entries = {name: _entries(lines) for name, lines in held.items()}
    return parsed


def _entries(lines: Iterable[str]) -> dict[str, str]:
    entries: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lines:
        start = _ENTRY.match(line)
        if start:
            current = entries.setdefault(start["name"], [])
            current.append(start["text"])
        elif line.strip():
            current.append(line.strip())
    return {name: " ".join(texts) for name, texts in entries.items()}
