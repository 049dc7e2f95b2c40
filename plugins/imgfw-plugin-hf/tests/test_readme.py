"""The README's recipe is valid, and trains with local copies of what it names on the Hub."""

from __future__ import annotations

import json
import re
from pathlib import Path

import datasets
import imgfw
import torch
from transformers import ResNetConfig, ResNetForImageClassification

from .conftest import RESNET

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
RECIPE, LOCAL = (json.loads(block) for block in re.findall(r"```json.*?\n(.*?)```", README, re.DOTALL))


def test_the_recipe_is_valid():
    assert imgfw.check(RECIPE).warnings == ()


def test_the_recipe_trains_with_local_copies(saved, tmp_path, imgfw_run, monkeypatch):
    """What the recipe names is saved as the README says, and small."""
    torch.manual_seed(0)
    ResNetForImageClassification(ResNetConfig(**RESNET, num_labels=9)).save_pretrained(tmp_path / "resnet")
    renamed = datasets.load_from_disk(saved).rename_column("label", "labels")
    renamed.save_to_disk(tmp_path / LOCAL["data"]["folder"])
    monkeypatch.chdir(tmp_path)
    model = {**RECIPE["model"], "path": None, "folder": "resnet"}
    outcome = imgfw_run(RECIPE, **LOCAL, model=model, train={"epochs": 1, "device": "cpu"})
    assert outcome.exit_code == 0, outcome.output
    assert outcome.summary["status"] == "completed"
