"""Fixtures that any test may use."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from imgfw.catalog.catalog import Catalog
from imgfw.catalog.discovery import BUILTIN, discover
from imgfw.catalog.selection import Selection, parse_words


class Site:
    """A folder of installed distributions, as pip would leave it; importable during the test.

    Attributes:
        folder: the folder, at the front of `sys.path`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, code: str = "", version: str = "0.1", entry_points: str = "") -> str:
        """Install a distribution with one module of its own; return the module's name."""
        module = name.replace("-", "_").replace(".", "_").lower()
        info = self.folder / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(entry_points or f"[imgfw]\nplugin = {module}\n")
        (self.folder / f"{module}.py").write_text(_HEADER + textwrap.dedent(code))
        importlib.invalidate_caches()
        return module

    def install_builtins(self, code: str = "") -> str:
        """Install a distribution that takes the place of the built-ins; return its module's name."""
        module = "stand_in_for_builtins"
        info = self.folder / "imgfw-0.1.0.dist-info"
        info.mkdir()
        (info / "entry_points.txt").write_text(f"[imgfw]\nbuiltins = {module}\n")
        (self.folder / f"{module}.py").write_text(_HEADER + textwrap.dedent(code))
        importlib.invalidate_caches()
        return module

    def catalog(self, *words: str) -> Catalog:
        """The catalog of what is installed here, chosen by words as of `-p`."""
        return Catalog(parse_words(words) if words else Selection(), discover([str(self.folder)]))

    def catalog_beside_builtins(self) -> Catalog:
        """The catalog of imgfw's own components and of what is installed here, whatever else is installed."""
        builtins = [item for item in discover() if item.name == BUILTIN]
        return Catalog(Selection(), [*builtins, *discover([str(self.folder)])])


_HEADER = "from __future__ import annotations\nfrom imgfw import hookimpl\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty folder of installed distributions; what is imported from it is forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield Site(folder)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]
