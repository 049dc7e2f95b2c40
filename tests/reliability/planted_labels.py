"""Faults planted into labels, masks and boxes: each is found before the first step, with file and value.

The plants are tests of their own, in `tests/plugins/datasets/test_planted_faults.py`; here each is a trial.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .trials import Trial

PLANTS = Path(__file__).parents[1] / "plugins" / "datasets" / "test_planted_faults.py"


def plant_faults(count: int, seed: int) -> list[Trial]:
    """Plant the first `count` faults; they are a list, so there is nothing to draw."""
    reports = _Reports(count)
    options = ["-p", "no:terminal", "-p", "no:cacheprovider", "--assert=plain"]
    pytest.main([*options, str(PLANTS)], plugins=[reports])
    return reports.trials


class _Reports:
    """Makes a trial of each test that was run.

    Args:
        count: tests to run.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self.trials: list[Trial] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Run the first tests only."""
        del items[self._count :]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what became of a plant."""
        if report.when == "call" or report.failed:
            plant, _, value = report.location[2].removesuffix("]").partition("[")
            problem = str(report.longrepr) if report.failed else ""
            what = " ".join(filter(None, [plant.removeprefix("test_").replace("_", " "), value]))
            self.trials.append(Trial("wrong label, mask or box", "before the first step", what, problem))
