"""One line in a test file: a pytest case for each provider and check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from imgfw.testing.case import Case, PluginLike, SkipOf, cases
from imgfw.testing.subject import SettingsOf, Target


def conformance(
    plugin: PluginLike,
    *,
    skip: Mapping[str, SkipOf] | None = None,
    settings: Mapping[str, SettingsOf] | None = None,
    targets: Mapping[str, Target] | None = None,
) -> Callable[..., Any]:
    """Make the test function of a plugin: `test_conformance = conformance("imgfw-plugin-tiny")`.

    Its cases are named after the provider and the check, as `models/tinynet-backward`.

    Args:
        plugin: a distribution's name, a module or its name, a plugin file, or a catalog (every plugin in it).
        skip: deliberate exceptions, shown as skipped with their reason: `{"tinynet": {"grey": "wants RGB"}}`;
            a reason alone, `{"imagenet": "needs its files"}`, is for every check that builds the provider.
        settings: settings to build a provider with, instead of its defaults or its `example`; a function is
            given an empty folder, to put files into, and returns them.
        targets: for tasks that are not built in: makes the target of the sample of a number, as a dataset
            would, from `(info, number)`.

    Raises:
        ValueError: there is no such plugin, or `skip` or `settings` name something that it does not have.
    """
    listed = cases(plugin, skip=skip, settings=settings, targets=targets)

    @pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in listed])
    def test_conformance(case: Case, tmp_path: Path) -> None:
        __tracebackhide__ = True
        case.run(tmp_path)

    return test_conformance
