"""The documentation's pages taken apart: blocks of code, headings and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]

_FENCE = re.compile(r"^```(?P<info>[^\n`]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^()\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        page: its page.
        line: where it begins.
        language: the first word after the fence.
        role: the second: `recipe`, `part` (of a recipe), `plugin`, `test`, `events`; empty for none.
        argument: the third, a file's name.
        text: its lines.
    """

    page: Path
    line: int
    language: str
    role: str
    argument: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    content = page.read_text(encoding="utf-8")
    found = []
    for fence in _FENCE.finditer(content):
        language, role, argument = (*fence["info"].split(), "", "")[:3]
        line = content.count("\n", 0, fence.start()) + 1
        found.append(Block(page, line, language, role, argument, fence["text"]))
    return found


def all_blocks(*roles: tuple[str, str]) -> list[Block]:
    """The blocks of all pages that have one of the (language, role) pairs."""
    return [block for page in PAGES for block in blocks_of(page) if (block.language, block.role) in roles]


def write_plugins(page: Path, folder: Path) -> None:
    """Write the plugin files that a page shows."""
    for block in blocks_of(page):
        if (block.language, block.role) == ("python", "plugin"):
            (folder / block.argument).write_text(block.text, encoding="utf-8")


def anchors_of(page: Path) -> set[str]:
    """What links to places in a page may name, as GitHub makes them of headings."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links_of(page: Path) -> Iterator[str]:
    """The targets of a page's links that stay within the repository."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return (link for link in _LINK.findall(text) if "://" not in link)
