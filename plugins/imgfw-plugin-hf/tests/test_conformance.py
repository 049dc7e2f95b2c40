"""The plugin keeps what imgfw asks of every plugin."""

from __future__ import annotations

import datasets
import imgfw.testing
from transformers import ResNetConfig

from .conftest import FEATURES, RESNET, rows


def _dataset(folder):
    datasets.Dataset.from_dict(rows(6), features=FEATURES).save_to_disk(folder / "colours")
    return {"folder": str(folder / "colours")}


def _model(folder):
    ResNetConfig(**RESNET).save_pretrained(folder)
    return {"folder": str(folder)}


test_conformance = imgfw.testing.conformance(
    "imgfw-plugin-hf", settings={"hf_dataset": _dataset, "hf_image_classifier": _model}
)
