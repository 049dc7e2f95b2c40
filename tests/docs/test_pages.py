"""The pages are up to date, lead somewhere, and name everything there is."""

from __future__ import annotations

from pathlib import Path

import click
import imgfw
import pytest
from imgfw.cli.application import application

from tests.docs.pages import DOCS, PAGES, ROOT, anchors_of, links_of


def test_generated_pages_are_what_would_be_written(generate):
    pages = generate.generated_pages()
    stale = [str(page.relative_to(ROOT)) for page, text in pages.items() if page.read_text("utf-8") != text]
    assert stale == [], "run: make docs"


def test_every_reference_page_is_generated(generate):
    assert {page for page in PAGES if page.parent.name == "reference"} <= set(generate.generated_pages())


def test_a_block_that_cannot_be_generated_is_refused(generate, monkeypatch, tmp_path):
    (tmp_path / "README.md").write_text("<!-- generated: nonsense -->\n<!-- end -->\n")
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match="nonsense"):
        dict(generate._pages_with_blocks())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path):
    for link in links_of(page):
        target, _, anchor = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), link
        assert file.is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors_of(file), link


def test_every_page_can_be_reached_from_the_readme():
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        ahead.extend(
            (page.parent / link.partition("#")[0]).resolve() for link in links_of(page) if link[0] != "#"
        )
    assert set(PAGES) - reached == set()


def test_no_page_names_a_folder_of_this_machine():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert str(ROOT) not in text, page
        assert f"{Path.home()}/" not in text, page


def test_every_public_name_has_a_description_and_a_place_in_the_reference(generate):
    described = generate.python_api.documentation_of
    page = (DOCS / "reference" / "python-api.md").read_text(encoding="utf-8").splitlines()
    for name in imgfw.__all__:
        assert described(name), name
        assert f"### {name}" in page, name


def test_every_verb_and_option_has_a_help_text_and_a_place_on_the_page_of_the_command_line():
    page = (DOCS / "cli.md").read_text(encoding="utf-8").splitlines()
    for name, command in application.commands.items():
        assert command.help, name
        assert f"## imgfw {name}" in page
        for option in command.params:
            if isinstance(option, click.Option) and option.name != "split":
                assert option.help, f"{name} {option.name}"


def test_the_table_of_exit_codes_has_that_of_every_error():
    page = (DOCS / "recipes.md").read_text(encoding="utf-8")
    errors = [imgfw.UsageError, imgfw.RecipeError, imgfw.DataError, imgfw.PluginError, imgfw.DivergedError]
    assert [error.exit_code for error in errors] == [2, 2, 3, 4, 5]
    for code, word in ((2, "recipe"), (3, "data"), (4, "plugin"), (5, "diverged")):
        row = next(line for line in page.splitlines() if line.startswith(f"| {code} |"))
        assert word in row
