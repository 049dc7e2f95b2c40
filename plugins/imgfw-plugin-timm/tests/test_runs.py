"""Whole runs with the plugin's parts."""

from __future__ import annotations

import imgfw
import torch
from safetensors.torch import load_file

SHAPES = {"type": "shapes", "image_size": 32, "num_train": 24, "num_val": 8, "num_test": 8}
CLASSIFICATION = {
    "data": SHAPES,
    "loader": {"batch_size": 8, "num_workers": 0},
    "transforms": {"train": ["timm_auto_augment", {"type": "timm_normalize", "model": "test_vit"}]},
    "model": {"type": "timm_model", "model": "test_resnet"},
    "optimizer": {"type": "timm_optimizer", "opt": "muon", "layer_decay": 0.8},
    "train": {"epochs": 1},
}


def weights(outcome):
    return load_file(outcome.folder / "checkpoints" / "best" / "model.safetensors")


def test_a_run_starts_from_another_and_trains_the_head_only(imgfw_run):
    first = imgfw_run(CLASSIFICATION)
    assert first.exit_code == 0, first.output
    start = first.folder / "checkpoints" / "best" / "model.safetensors"
    model = {**CLASSIFICATION["model"], "pretrained": str(start), "freeze": "backbone"}
    second = imgfw_run(CLASSIFICATION, model=model)
    assert second.exit_code == 0, second.output
    before, after = weights(first), weights(second)
    changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert changed == {"fc.weight", "fc.bias"}
    start.unlink()  # a finished run needs what it started from no more
    predicted = imgfw.load(second.folder).predict([torch.zeros(3, 32, 32, dtype=torch.uint8)])
    assert predicted[0]["label"] in ("circle", "square", "triangle")


def test_a_unet_segments(imgfw_run):
    outcome = imgfw_run(
        {
            "data": {**SHAPES, "task": "segmentation"},
            "loader": {"batch_size": 8, "num_workers": 0},
            "model": {"type": "timm_unet", "encoder": "test_resnet", "width": 8, "freeze": ["encoder.*"]},
            "scheduler": {"type": "timm_scheduler", "sched": "tanh"},
            "train": {"epochs": 1},
        }
    )
    assert outcome.exit_code == 0, outcome.output
    assert "test/miou" in outcome.summary["test"]


def test_a_wrong_name_is_told_with_its_place_in_the_recipe(imgfw_run):
    outcome = imgfw_run(CLASSIFICATION, model={"type": "timm_model", "model": "resnt18"})
    assert outcome.exit_code == 2
    assert 'model (imgfw-plugin-timm/timm_model): model: timm has no model "resnt18"' in outcome.output
