"""Which plugins may be imported: the words of `-p` and of IMGFW_PLUGINS."""

from __future__ import annotations

from pathlib import Path

import pytest
from imgfw import UsageError
from imgfw.catalog.selection import from_environment


@pytest.fixture
def three(site):
    """The built-ins and two other plugins are installed."""
    site.install_builtins()
    site.install("imgfw-plugin-x")
    site.install("imgfw-plugin-y")
    return site


def used(site, *words: str) -> list[str]:
    return [plugin.name for plugin in site.catalog(*words).plugins() if plugin.status == "ok"]


def test_without_a_word_every_plugin_may_be_used(three) -> None:
    assert used(three) == ["imgfw", "imgfw-plugin-x", "imgfw-plugin-y"]


def test_a_name_leaves_the_builtins_and_that_plugin(three) -> None:
    assert used(three, "Imgfw_Plugin_X") == ["imgfw", "imgfw-plugin-x"]


def test_no_leaves_a_plugin_out(three) -> None:
    assert used(three, "no:imgfw-plugin-x") == ["imgfw", "imgfw-plugin-y"]


def test_no_wins_over_the_name_itself(three) -> None:
    assert used(three, "imgfw-plugin-x", "imgfw-plugin-y", "no:imgfw-plugin-x") == ["imgfw", "imgfw-plugin-y"]


def test_a_file_is_added_to_the_others(three, tmp_path: Path) -> None:
    file = tmp_path / "my_model.py"
    file.write_text("")
    assert used(three, str(file)) == ["imgfw", "imgfw-plugin-x", "imgfw-plugin-y", "my_model.py"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("imgfw-plugin-xx", 'No plugin named imgfw-plugin-xx is installed. Did you mean "imgfw-plugin-x"'),
        ("no:qqq", "No plugin named qqq is installed. Install it with: pip install qqq"),
        ("no:imgfw", "The built-in plugin imgfw cannot be left out."),
        ("./none.py", "There is no plugin file ./none.py. Paths are relative to the working folder."),
    ],
)
def test_a_word_that_matches_nothing_is_an_error(three, word: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        three.catalog(word)
    assert str(caught.value).startswith(message)


def test_the_variable_holds_words_separated_by_spaces_or_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGFW_PLUGINS", " a,b  no:c ")
    selection = from_environment()
    assert [name for name in "abcd" if selection.admits(name)] == ["a", "b"]


def test_an_empty_variable_leaves_the_builtins_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGFW_PLUGINS", "")
    selection = from_environment()
    assert selection.admits("imgfw")
    assert not selection.admits("imgfw-plugin-x")


def test_without_the_variable_everything_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IMGFW_PLUGINS", raising=False)
    assert from_environment().admits("imgfw-plugin-x")


def test_words_of_the_command_line_stand_instead_of_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGFW_PLUGINS", "a")
    assert not from_environment(["b"]).admits("a")
