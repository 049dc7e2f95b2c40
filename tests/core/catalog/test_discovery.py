"""Installed distributions are found by their entry points; a malformed one hides no other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from imgfw.catalog.discovery import Declaration, discover, normalize


def found(site) -> list[Declaration]:
    return discover([str(site.folder)])


def names(site) -> list[str]:
    return [declaration.name for declaration in found(site)]


def test_a_distribution_with_an_escaped_folder_name_is_found_by_its_normal_name(site) -> None:
    site.install("Imgfw.Plugin_X", version="1.2.3")
    [declaration] = found(site)
    assert (declaration.name, declaration.version) == ("imgfw-plugin-x", "1.2.3")
    assert declaration.modules == ["imgfw_plugin_x"]


def test_other_distributions_are_no_plugins(site) -> None:
    site.install("pytest-thing", entry_points="[pytest11]\nthing = thing\n")
    site.install("imgfw-plugin-x")
    assert names(site) == ["imgfw-plugin-x"]


def test_builtins_come_first_and_the_others_by_name(site) -> None:
    for name in ("zebra", "ant"):
        site.install(name)
    site.install_builtins()
    assert names(site) == ["imgfw", "ant", "zebra"]


def test_every_entry_point_of_a_distribution_counts(site) -> None:
    site.install("two", entry_points="[imgfw]\na = two.models\nb = two.losses:plugin\n")
    assert found(site)[0].modules == ["two.models", "two.losses:plugin"]


@pytest.mark.parametrize(
    "content", ["no section at all\n", "[console_scripts]\nx = = =\n[", "\ufeff[a]\nb\n", "[a]\nb=1\nb=2\n"]
)
def test_a_malformed_file_of_another_distribution_hides_nothing(site, content: str) -> None:
    site.install("broken-thing", entry_points=content)
    site.install("imgfw-plugin-x")
    assert names(site) == ["imgfw-plugin-x"]


def test_an_entry_point_that_names_no_module_is_shown_with_the_reason(site) -> None:
    site.install("bad", entry_points="[imgfw]\nplugin = not a module!\n")
    site.install("good")
    bad, good = found(site)
    assert bad.error == ('its entry point "not a module!" is not of the form "module" or "module:object"')
    assert good.error == ""


def test_a_plugin_whose_entry_points_cannot_be_parsed_is_shown_with_the_reason(site) -> None:
    site.install("bad", entry_points="[imgfw]\nplugin = a\nplugin = b\n")
    assert found(site)[0].error.startswith("its entry_points.txt cannot be read: ")
    assert "plugin" in found(site)[0].error


def test_a_file_that_is_no_text_is_shown_with_the_reason(site) -> None:
    site.install("bad")
    (site.folder / "bad-0.1.dist-info" / "entry_points.txt").write_bytes(b"[imgfw]\nplugin = \xff\n")
    assert found(site)[0].error.startswith("its entry_points.txt cannot be read: ")


def test_the_first_installation_on_the_path_counts_and_names_the_later_ones(site, tmp_path: Path) -> None:
    site.install("imgfw-plugin-x", version="2.0")
    old = tmp_path / "old" / "imgfw_plugin_x-1.0.dist-info"
    old.mkdir(parents=True)
    (old / "entry_points.txt").write_text("[imgfw]\nplugin = imgfw_plugin_x\n")
    [declaration] = discover([str(site.folder), str(tmp_path / "old")])
    assert declaration.version == "2.0"
    assert declaration.shadowed == [old]


def test_the_same_folder_twice_on_the_path_shadows_nothing(site) -> None:
    site.install("imgfw-plugin-x")
    [declaration] = discover([str(site.folder)] * 2)
    assert declaration.shadowed == []


def test_a_development_egg_takes_its_version_from_its_metadata(site) -> None:
    egg = site.folder / "imgfw_plugin_x.egg-info"
    egg.mkdir()
    (egg / "entry_points.txt").write_text("[imgfw]\nplugin = imgfw_plugin_x\n")
    (egg / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: imgfw-plugin-x\nVersion: 0.3\n")
    [declaration] = found(site)
    assert (declaration.name, declaration.version) == ("imgfw-plugin-x", "0.3")


def test_an_egg_names_its_python_version_apart(site) -> None:
    egg = site.folder / "imgfw_plugin_x-0.1-py3.11.egg-info"
    egg.mkdir()
    (egg / "entry_points.txt").write_text("[imgfw]\nplugin = imgfw_plugin_x\n")
    assert found(site)[0].version == "0.1"


def test_folders_that_do_not_exist_and_files_on_the_path_are_passed_over(site, tmp_path: Path) -> None:
    site.install("imgfw-plugin-x")
    archive = tmp_path / "archive.zip"
    archive.write_bytes(b"PK")
    path = [str(tmp_path / "missing"), str(archive), str(site.folder)]
    assert [item.name for item in discover(path)] == ["imgfw-plugin-x"]


def test_an_empty_entry_of_the_path_is_the_working_folder(site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("imgfw-plugin-x")
    monkeypatch.chdir(site.folder)
    assert [item.name for item in discover([""])] == ["imgfw-plugin-x"]


@pytest.mark.skipif(os.name != "posix", reason="needs symbolic links")
def test_a_link_that_leads_nowhere_hides_nothing(site) -> None:
    (site.folder / "aaa-1.0.dist-info").symlink_to(site.folder / "nowhere")
    site.install("imgfw-plugin-x")
    assert names(site) == ["imgfw-plugin-x"]


def test_finding_plugins_imports_none(site) -> None:
    site.install("imgfw-plugin-x", "raise RuntimeError('imported')")
    assert names(site) == ["imgfw-plugin-x"]


def test_names_are_compared_in_their_normal_form() -> None:
    assert normalize("Imgfw_Plugin.-X") == "imgfw-plugin-x"
