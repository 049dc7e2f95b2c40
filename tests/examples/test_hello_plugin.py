"""The example of a plugin installs with pip, and passes its own tests where it is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from imgfw.catalog.catalog import Catalog
from imgfw.catalog.discovery import discover
from imgfw.catalog.selection import Selection
from imgfw.recipe.checking import check
from imgfw.recipe.reading import read_recipe

HELLO = Path(__file__).resolve().parents[2] / "examples" / "imgfw-plugin-hello"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip installed the plugin."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    alone = ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(folder)]
    subprocess.run([*pip, *alone, str(HELLO)], check=True, capture_output=True, text=True)
    return folder


def test_it_is_found_once_it_is_installed(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(installed))
    catalog = Catalog(Selection(), discover([str(installed), *sys.path]))
    [hello] = [plugin for plugin in catalog.plugins() if plugin.name == "imgfw-plugin-hello"]
    assert (hello.status, hello.version, hello.imports_torch) == ("ok", "0.1.0", False)
    names = [provider.name for kind in hello.providers.values() for provider in kind]
    assert names == ["hello_net", "generalized_cross_entropy"]
    assert check(read_recipe(HELLO / "recipe.json"), catalog).warnings == []


@pytest.mark.slow
def test_its_own_tests_pass(installed: Path, tmp_path: Path) -> None:
    """Run as its author would: elsewhere, with nothing but the installed packages."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HELLO / "tests")],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
