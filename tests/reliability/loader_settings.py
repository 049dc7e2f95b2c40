"""How batches are fetched changes not one bit of a run: workers, prefetch, cache."""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path

import imgfw
import numpy as np
from PIL import Image

from .outcome import difference, differing, fingerprint, workspace
from .recipes import TASKS, Mode
from .trials import Trial

SETTINGS = list(product((0, 1, 2, 4), (1, 4)))
"""Workers and prefetch."""

CACHES = list(product(("ram", "disk"), (0, 2)))
"""Where images are kept, and workers."""


def change_loader_settings(count: int, seed: int) -> list[Trial]:
    """Run each task with `count` of the settings; all, if there are fewer."""
    draw, trials = random.Random(seed), []
    for task in TASKS:
        for workers, prefetch in draw.sample(SETTINGS, min(count, len(SETTINGS))):
            mode = Mode(task, workers=workers, more=(("loader.prefetch", prefetch),))
            with workspace() as folder:
                run = imgfw.run(mode.recipe(folder), quiet=True).folder
                problem = difference(run, Mode(task))
            trials.append(Trial("other loader settings", "whole run", str(mode), problem))
    return trials


def keep_images(count: int, seed: int) -> list[Trial]:
    """Train on image files with `count` of the caches, each twice; all, if there are fewer."""
    draw, trials = random.Random(seed), []
    with workspace() as folder:
        _write_images(folder / "images", seed)
        plain = fingerprint(_train_on_files(folder, cache="none", workers=0))
        for cache, workers in draw.sample(CACHES, min(count, len(CACHES))):
            for use in ("first use", "second use"):
                problem = differing(_train_on_files(folder, cache, workers), plain)
                mode = f"image files, {workers} workers, cache {cache}, {use}"
                trials.append(Trial("other loader settings", "whole run", mode, problem))
    return trials


def _write_images(root: Path, seed: int) -> None:
    draw = np.random.default_rng(seed)
    for number in range(24):
        place = root / f"class{number % 2}" / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(place)


def _train_on_files(folder: Path, cache: str, workers: int) -> Path:
    recipe = {
        "name": "files",
        "data": {"type": "image_folder", "root": str(folder / "images")},
        "split": {"val_fraction": 0.25},
        "loader": {
            "batch_size": 4,
            "num_workers": workers,
            "cache": cache,
            "cache_dir": str(folder / "cache"),
        },
        "transforms": {
            "train": [{"type": "resize", "size": [16, 16]}, "random_horizontal_flip", "normalize"],
            "eval": [{"type": "resize", "size": [16, 16]}, "normalize"],
        },
        "model": {"type": "resnet9", "width": 2},
        "train": {"epochs": 2, "device": "cpu", "precision": "fp32"},
        "output_dir": str(folder / "runs"),
    }
    return imgfw.run(recipe, quiet=True).folder
