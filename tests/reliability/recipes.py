"""The runs that are disturbed: three tasks, 24 steps each (3 epochs of 8), with every kind of randomness."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EPOCHS = 3
STEPS_PER_EPOCH = 8
STEPS = EPOCHS * STEPS_PER_EPOCH

PARTS = Path(__file__).with_name("parts.py")
_SHAPES = {"type": "shapes", "image_size": 16, "num_train": 30, "num_val": 8, "num_test": 8, "max_shapes": 2}
_COMMON: dict[str, Any] = {
    "name": "tiny",
    "seed": 3,
    "plugins": [str(PARTS)],
    "loader": {"batch_size": 4},  # the last batch of an epoch holds two
    "train": {"epochs": EPOCHS, "log_every": 3, "device": "cpu"},
}
_TASKS: dict[str, dict[str, Any]] = {
    "classification": {
        "data": _SHAPES | {"task": "classification"},
        "model": "dropout_classifier",
        "transforms": {
            "train": [
                {"type": "random_crop", "size": 16, "padding": 2},
                {"type": "color_jitter", "brightness": 0.4},
                "normalize",
                {"type": "mixup", "alpha": 0.4},
            ],
            "eval": ["normalize"],
        },
        "optimizer": {"type": "sgd", "lr": 0.05, "momentum": 0.9},
        "scheduler": {"type": "cosine", "warmup_epochs": 1},
        "callbacks": [{"type": "early_stopping", "patience": 9}],
    },
    "segmentation": {
        "data": _SHAPES | {"task": "segmentation"},
        "model": "dropout_segmenter",
        "loss": {"type": "weighted_sum", "terms": ["cross_entropy", "dice"], "weights": [1, 0.5]},
        "transforms": {
            "train": ["random_horizontal_flip", {"type": "random_rotation", "degrees": 10}, "normalize"],
            "eval": ["normalize"],
        },
        "optimizer": {"type": "adamw", "lr": 0.01},
        "scheduler": {"type": "reduce_on_plateau", "patience": 0, "min_delta": 9.0},
        "callbacks": [{"type": "early_stopping", "patience": 9, "monitor": "val/miou"}],
    },
    "detection": {
        "data": _SHAPES | {"task": "detection"},
        "model": "dropout_detector",
        "transforms": {"train": ["random_horizontal_flip"]},
        "optimizer": {"type": "adam", "lr": 0.01},
        "scheduler": {"type": "one_cycle"},
        "callbacks": [{"type": "early_stopping", "patience": 9, "monitor": "val/map50"}],
    },
}
TASKS = tuple(_TASKS)


@dataclass(frozen=True)
class Mode:
    """How a run is run.

    Attributes:
        task: of `TASKS`.
        precision: `fp32` or `bf16`.
        workers: data workers.
        more: further settings, as `("train.ema_decay", 0.9)`.
    """

    task: str
    precision: str = "fp32"
    workers: int = 0
    more: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        further = "".join(f", {key.rpartition('.')[2]} {value}" for key, value in self.more)
        return f"{self.task}, {self.precision}, {self.workers} workers{further}"

    def recipe(self, folder: Path) -> dict[str, Any]:
        """The recipe of such a run in a folder, as the data of a recipe file."""
        recipe = copy.deepcopy(_COMMON | _TASKS[self.task]) | {"output_dir": str(folder / "runs")}
        settings = (("train.precision", self.precision), ("loader.num_workers", self.workers), *self.more)
        for path, value in settings:
            section, key = path.split(".")
            recipe.setdefault(section, {})[key] = value
        return recipe


EMA = (("train.ema_decay", 0.9),)
ACCUMULATED = (("train.accumulate", 2),)
