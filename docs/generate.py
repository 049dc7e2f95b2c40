"""Write the generated pages of the documentation, or check that they are what would be written.

    python docs/generate.py            write them
    python docs/generate.py --check    exit with 1 if any is not up to date

Whole pages are generated (docs/reference and docs/cli.md), and blocks within pages that people write, between
`<!-- generated: NAME -->` and `<!-- end -->`. What is generated depends on imgfw and on nothing else: not on
the machine, the terminal or the plugins that happen to be installed.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from generator import command_line, components, excerpts, python_api, recipe_keys

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
_BLOCK = re.compile(r"(<!-- generated: (?P<name>[^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def generated_pages() -> dict[Path, str]:
    """Every generated file and what it should hold."""
    pages = {
        **components.pages(),
        "reference/python-api.md": python_api.page(),
        "reference/recipe-keys.md": recipe_keys.page(),
        "cli.md": command_line.page(),
    }
    return {DOCS / name: text for name, text in pages.items()} | dict(_pages_with_blocks())


def _pages_with_blocks() -> Iterator[tuple[Path, str]]:
    for page in (ROOT / "README.md", *sorted(DOCS.glob("*.md"))):
        text = page.read_text(encoding="utf-8")
        if _BLOCK.search(text):
            yield page, _BLOCK.sub(_filled, text)


def _filled(found: re.Match[str]) -> str:
    kind, _, argument = found["name"].partition(" ")
    if kind not in excerpts.BLOCKS:
        raise SystemExit(f"A page asks for {found['name']!r}, which docs/generator cannot write.")
    return f"{found[1]}{excerpts.BLOCKS[kind](ROOT, argument).strip()}\n{found[3]}"


def main() -> int:
    """Write or check; the exit code."""
    parser = argparse.ArgumentParser(description="Write the generated pages of the documentation.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a page is stale")
    only_check = parser.parse_args().check
    pages = generated_pages()
    unknown = {page for page in (DOCS / "reference").glob("*.md") if page not in pages}
    stale = {page for page, text in pages.items() if not page.exists() or page.read_text("utf-8") != text}
    if only_check:
        for page in sorted(stale | unknown):
            print(f"{page.relative_to(ROOT)} is not what docs/generate.py writes", file=sys.stderr)
        if stale or unknown:
            print("Run: make docs", file=sys.stderr)
        return 1 if stale or unknown else 0
    for page in sorted(unknown):
        page.unlink()
    for page in sorted(stale):
        page.parent.mkdir(exist_ok=True)
        page.write_text(pages[page], encoding="utf-8")
        print(f"wrote {page.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
