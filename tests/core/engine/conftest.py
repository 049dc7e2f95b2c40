"""A tiny recipe that exercises every kind of randomness, and runs of it."""

from __future__ import annotations

import copy
import hashlib
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import imgfw
import pytest
import torch
from imgfw.engine import interruption, runs

CLASSIFICATION: dict[str, Any] = {
    "name": "tiny",
    "seed": 3,
    "data": "digits",
    "model": {"type": "resnet9", "width": 8},
    "transforms": {
        "train": [
            {"type": "random_crop", "size": 8, "padding": 1},
            {"type": "random_rotation", "degrees": 10},
            "normalize",
            {"type": "mixup", "alpha": 0.2},
        ],
        "eval": ["normalize"],
    },
    "optimizer": {"type": "sgd", "lr": 0.05, "momentum": 0.9},
    "scheduler": {"type": "cosine", "warmup_epochs": 1},
    "train": {"epochs": 3, "log_every": 3, "device": "cpu", "precision": "fp32", "channels_last": True},
    "loader": {"batch_size": 300, "num_workers": 0},
    "callbacks": ["early_stopping"],
}

SEGMENTATION: dict[str, Any] = {
    "name": "tiny",
    "data": {
        "type": "shapes",
        "task": "segmentation",
        "image_size": 32,
        "num_train": 12,
        "num_val": 4,
        "num_test": 4,
    },
    "model": {"type": "unet", "width": 4, "depth": 2},
    "loss": {"type": "weighted_sum", "terms": ["cross_entropy", "dice"], "weights": [1, 0.5]},
    "transforms": {
        "train": ["random_horizontal_flip", {"type": "random_rotation", "degrees": 10}, "normalize"],
        "eval": ["normalize"],
    },
    "train": {"epochs": 2, "device": "cpu"},
    "loader": {"batch_size": 4, "num_workers": 0},
}

DETECTION: dict[str, Any] = {
    "name": "tiny",
    "data": {
        "type": "shapes",
        "task": "detection",
        "image_size": 64,
        "num_train": 4,
        "num_val": 2,
        "num_test": 2,
    },
    "model": "fcos_resnet18_fpn",
    "transforms": {"train": ["random_horizontal_flip"]},
    "train": {"epochs": 2, "device": "cpu"},
    "loader": {"batch_size": 2, "num_workers": 0},
}

FAULTY: dict[str, Any] = {
    **CLASSIFICATION,
    "plugins": [str(Path(__file__).with_name("faulty_model.py"))],
    "model": "faulty",
    "transforms": {"train": ["normalize", {"type": "mixup", "alpha": 0.2}], "eval": ["normalize"]},
    "optimizer": {"type": "adam", "lr": 0.01},
    "callbacks": [],
    "train": {**CLASSIFICATION["train"], "epochs": 2, "log_every": 2},
}
"""A recipe whose model goes wrong when its settings say so."""

RECIPES = {"classification": CLASSIFICATION, "segmentation": SEGMENTATION, "detection": DETECTION}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """One thread is fastest for nets as small as these."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def jump(tmp_path: Path) -> str:
    """A plugin with a scheduler that multiplies the rate after some epochs, as no sensible one would."""
    file = tmp_path / "jump.py"
    file.write_text(
        "import imgfw\n\n"
        "def jump(optimizer, plan, *, after: int, factor: float):\n"
        '    """Multiply the rate after some epochs."""\n'
        "    from torch.optim.lr_scheduler import LambdaLR\n"
        "    last = after * plan.steps_per_epoch\n"
        "    return LambdaLR(optimizer, lambda step: factor if step >= last else 1.0)\n\n"
        "@imgfw.hookimpl\n"
        "def imgfw_schedulers():\n"
        "    return [jump]\n"
    )
    return str(file)


Train = Callable[..., imgfw.RunResult]


@pytest.fixture
def train(tmp_path: Path) -> Train:
    """Run a recipe in a folder of the test's own: `train(recipe, "folder", {"train.epochs": 1})`."""

    def run(
        recipe: Mapping[str, Any],
        folder: str = "runs",
        changes: Mapping[str, Any] | None = None,
        callbacks: Sequence[imgfw.Callback] = (),
    ) -> Any:
        changed = copy.deepcopy(dict(recipe)) | {"output_dir": str(tmp_path / folder)}
        for path, value in (changes or {}).items():
            *parents, key = path.split(".")
            target = changed
            for parent in parents:
                target = target.setdefault(parent, {})
            target[key] = value
        return runs.run(changed, quiet=True, callbacks=callbacks)

    return run


def fingerprint(folder: Path) -> dict[str, str]:
    """Hashes of everything that a run's end must have in common with another's."""
    last, best = folder / "checkpoints" / "last", folder / "checkpoints" / "best"
    files = {f"last/{name}": last / name for name in ("model.safetensors", "state.safetensors", "state.json")}
    files |= {"best/model": best / "model.safetensors", "metrics.csv": folder / "metrics.csv"}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let the n-th look at the interruption flag find a SIGTERM; 0 lets it find none."""
    look = interruption.Interruption.requested

    def arrange(number: int) -> None:
        looks = 0

        def requested(self: interruption.Interruption) -> bool:
            nonlocal looks
            looks += 1
            if looks == number:
                self.signal_number = signal.SIGTERM
            return look(self)

        monkeypatch.setattr(interruption.Interruption, "requested", requested)

    return arrange
