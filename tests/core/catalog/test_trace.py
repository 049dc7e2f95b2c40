"""IMGFW_TRACE_PLUGINS=1 narrates on stderr what is done with plugins."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

NET = "def net(info): 'A net.'\n@hookimpl\ndef imgfw_models():\n    return [net]\n"


@pytest.fixture
def told(site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """What is narrated while a catalog chosen by words lists its plugins."""

    def narrate(*words: str, value: str = "1") -> list[str]:
        monkeypatch.setenv("IMGFW_TRACE_PLUGINS", value)
        site.catalog(*words).plugins()
        output, errors = capsys.readouterr()
        assert output == ""
        return [re.sub(r"\d\.\d{3} s", "N s", line) for line in errors.splitlines()]

    return narrate


def test_it_tells_what_was_found_imported_and_given(site, told) -> None:
    site.install("imgfw-plugin-x", NET)
    assert told() == [
        f"[plugins] found imgfw-plugin-x 0.1 in {site.folder / 'imgfw_plugin_x-0.1.dist-info'}",
        "[plugins] imgfw-plugin-x: imported imgfw_plugin_x in N s",
        "[plugins] imgfw-plugin-x: imgfw_models gave net",
        "[plugins] imgfw-plugin-x: ok",
    ]


def test_it_tells_what_is_broken_and_why(site, told) -> None:
    site.install("imgfw-plugin-x", "raise ValueError('no licence')")
    assert "[plugins] imgfw-plugin-x: broken ValueError: no licence (imgfw_plugin_x.py, line 3)" in told()


def test_it_tells_what_was_left_out(site, told) -> None:
    site.install("imgfw-plugin-x", NET)
    lines = told("no:imgfw-plugin-x")
    assert lines[1:] == ["[plugins] imgfw-plugin-x: left out by -p or IMGFW_PLUGINS"]


def test_it_tells_which_installation_was_passed_over(
    site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from imgfw.catalog.discovery import discover

    site.install("imgfw-plugin-x", NET)
    old = tmp_path / "old" / "imgfw_plugin_x-0.0.dist-info"
    old.mkdir(parents=True)
    (old / "entry_points.txt").write_text("[imgfw]\nplugin = imgfw_plugin_x\n")
    monkeypatch.setenv("IMGFW_TRACE_PLUGINS", "1")
    discover([str(site.folder), str(tmp_path / "old")])
    assert f"[plugins] passed over {old}: an earlier folder has imgfw-plugin-x" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["", "0"])
def test_it_is_silent_unless_it_is_asked(site, told, value: str) -> None:
    site.install("imgfw-plugin-x", NET)
    assert told(value=value) == []
