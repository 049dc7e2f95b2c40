"""Fixtures for a plugin's tests, after `pytest_plugins = ["imgfw.testing.fixtures"]` in a test file.

PYTEST_DONT_REWRITE (it has no assertions, and may be imported by name)
"""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from imgfw.testing import network
from imgfw.testing.outcome import RunOutcome, outcome_of


@pytest.fixture
def no_network() -> Iterator[None]:
    """Refuse connections to other machines while the test runs."""
    with network.no_network():
        yield


@pytest.fixture
def imgfw_run(no_network: None, tmp_path: Path) -> Callable[..., RunOutcome]:
    """Run a recipe to its end, in this process and without the network: `imgfw_run(recipe, seed=1)`.

    The recipe is a dict; paths in it are relative to the working folder. Each keyword changes a part of it: a
    dict without `type` is merged into the part, as `train={"epochs": 2}`; anything else takes its place. The
    run's folder is in the test's `tmp_path`. What goes wrong is in the outcome, as a user would see it.
    """
    count = 0

    def run(recipe: Mapping[str, Any], **changes: Any) -> RunOutcome:
        nonlocal count
        count += 1
        return _run(_changed(recipe, changes), tmp_path / f"imgfw_run_{count}")

    return run


def _changed(recipe: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(dict(recipe))
    for name, value in changes.items():
        merges = isinstance(value, Mapping) and "type" not in value and isinstance(changed.get(name), dict)
        changed[name] = {**changed[name], **value} if merges else value
    return changed


def _run(recipe: dict[str, Any], parent: Path) -> RunOutcome:
    from imgfw.cli.failures import exit_code_of
    from imgfw.engine import runs

    said, code = io.StringIO(), 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            runs.run({**recipe, "output_dir": str(parent)})
        except Exception as error:  # whatever a run may fail with is its outcome
            code = exit_code_of(error)
    folder = next(iter(sorted(parent.glob("*"))), None)
    return outcome_of(folder, code, said.getvalue())
