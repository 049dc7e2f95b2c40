"""What tests of the documentation share."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
def generate(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """docs/generate.py as a module."""
    monkeypatch.syspath_prepend(str(DOCS))
    yield importlib.import_module("generate")
    for name in [name for name in sys.modules if name.partition(".")[0] in ("generate", "generator")]:
        del sys.modules[name]
