"""A new plugin is a whole distribution that passes its own tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from imgfw.catalog.catalog import Catalog
from imgfw.catalog.discovery import BUILTIN, discover
from imgfw.catalog.selection import Selection
from imgfw.contract.kinds import KINDS
from imgfw.recipe.checking import check
from imgfw.recipe.reading import read_recipe


def install(plugin: Path, site: Path) -> None:
    """Install a distribution into a folder with pip, which builds it first."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    alone = ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(site)]
    subprocess.run([*pip, *alone, str(plugin)], check=True, capture_output=True, text=True)


def catalog(site: Path) -> Catalog:
    """imgfw's own components and what is installed in a folder."""
    builtins = [item for item in discover() if item.name == BUILTIN]
    return Catalog(Selection(), [*builtins, *discover([str(site)])])


@pytest.mark.slow
def test_a_plugin_of_every_kind_can_be_installed_and_passes_its_own_tests(imgfw, tmp_path):
    assert imgfw("new-plugin", "Wide_Open", "--kind", "all").exit_code == 0
    plugin, site = tmp_path / "imgfw-plugin-wide-open", tmp_path / "site"
    install(plugin, site)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
        cwd=plugin,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(site), *sys.path]), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "models/wide_open_net" not in done.stdout  # nothing of it is mentioned as failed or skipped


@pytest.mark.parametrize("kind", KINDS)
def test_a_plugin_of_one_kind_provides_it_and_its_recipe_is_right(
    imgfw, tmp_path, kind, monkeypatch: pytest.MonkeyPatch
):
    assert imgfw("new-plugin", f"one-{kind}", "--kind", KINDS[kind].singular).exit_code == 0
    plugin = tmp_path / f"imgfw-plugin-one-{kind}"
    info = tmp_path / f"imgfw_plugin_one_{kind}-0.1.0.dist-info"
    info.mkdir()
    [(name, module)] = tomllib.loads((plugin / "pyproject.toml").read_text())["project"]["entry-points"][
        "imgfw"
    ].items()
    (info / "entry_points.txt").write_text(f"[imgfw]\n{name} = {module}\n")
    monkeypatch.syspath_prepend(str(plugin))
    found = catalog(tmp_path)
    [loaded] = [item for item in found.plugins() if item.name == plugin.name]
    assert (loaded.status, loaded.reason, loaded.api) == ("ok", "", 1)
    assert not loaded.imports_torch
    assert loaded.providers[kind]
    assert found.shared_names(loaded) == {}
    assert check(read_recipe(plugin / "recipe.json"), found).warnings == []


def test_a_plugin_has_a_model_unless_something_else_is_asked(imgfw, tmp_path):
    imgfw("new-plugin", "tiny")
    files = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert files == {
        f"imgfw-plugin-tiny/{name}"
        for name in (
            ".github/workflows/tests.yml",
            ".gitignore",
            "README.md",
            "imgfw_plugin_tiny/__init__.py",
            "imgfw_plugin_tiny/models.py",
            "imgfw_plugin_tiny/py.typed",
            "pyproject.toml",
            "recipe.json",
            "tests/test_plugin.py",
        )
    }
    recipe = json.loads(Path("imgfw-plugin-tiny/recipe.json").read_text())
    assert (recipe["data"], recipe["model"]) == ("digits", "tiny_net")


@pytest.mark.parametrize("name", ["tiny", "Tiny", "imgfw-plugin-tiny", "imgfw_plugin.tiny"])
def test_its_name_begins_with_imgfw_plugin(imgfw, name):
    assert imgfw("--quiet", "new-plugin", name).exit_code == 0
    assert Path("imgfw-plugin-tiny").is_dir()


@pytest.mark.parametrize(
    "name", ["", "3d", "tiny/net", "../tiny", "tiny net", "tïny", "-tiny-", "imgfw", "imgfw-plugin", "a" * 70]
)
def test_a_name_that_no_plugin_can_have_is_refused(imgfw, name, tmp_path):
    result = imgfw("new-plugin", "--", name)
    assert result.exit_code == 2
    assert "imgfw new-plugin tiny" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_kind_is_answered_with_the_closest(imgfw, tmp_path):
    result = imgfw("new-plugin", "tiny", "--kind", "modles")
    assert result.exit_code == 2
    assert 'Did you mean "models"' in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_already_is_left_as_it_is(imgfw):
    Path("imgfw-plugin-tiny").mkdir()
    result = imgfw("new-plugin", "tiny")
    assert result.exit_code == 2
    assert "imgfw-plugin-tiny is there already" in result.stderr
    assert list(Path("imgfw-plugin-tiny").iterdir()) == []


def test_it_can_be_written_elsewhere(imgfw):
    assert "next: cd code/imgfw-plugin-tiny" in imgfw("new-plugin", "tiny", "--into", "code").stdout
    assert Path("code/imgfw-plugin-tiny/pyproject.toml").is_file()


@pytest.mark.parametrize("name", ["x", "tiny", "of-some-length"])
def test_what_is_written_is_formatted_as_imgfw_is(imgfw, tmp_path, name):
    imgfw("new-plugin", name, "--kind", "all")
    settings = Path(__file__).resolve().parents[3] / "pyproject.toml"
    for words in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *words, "--config", str(settings), f"imgfw-plugin-{name}"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
