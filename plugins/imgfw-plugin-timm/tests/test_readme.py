"""The README's recipe trains, and its other part is a recipe's."""

from __future__ import annotations

import json
import re
from pathlib import Path

import imgfw

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
RECIPE, FINE_TUNING = (json.loads(block) for block in re.findall(r"```json.*?\n(.*?)```", README, re.DOTALL))


def test_the_recipe_trains(imgfw_run):
    outcome = imgfw_run(RECIPE)
    assert outcome.exit_code == 0, outcome.output
    assert outcome.summary["test"]["test/accuracy"] > 0.9


def test_the_part_for_fine_tuning_is_valid():
    recipe = {"data": {"type": "shapes"}, "train": {"epochs": 1}, **FINE_TUNING}
    assert imgfw.check(recipe).warnings == ()
