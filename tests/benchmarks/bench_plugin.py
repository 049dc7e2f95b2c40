"""Components of the benchmarks' recipes, loaded by imgfw as a local plugin."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from imgfw import Callback, DatasetDescription, DatasetInfo, InMemory, Splits, about, hookimpl

if TYPE_CHECKING:
    from imgfw import Run
    from torch import nn

NUM_CLASSES = 10
SIDE = 16


def _describe(settings: Any) -> DatasetDescription:
    return DatasetDescription(
        task="classification",
        num_classes=NUM_CLASSES,
        channels=settings.channels,
        image_size=(settings.side, settings.side),
    )


@about(describe=_describe, example={"samples": 64})
def resident(*, samples: int, channels: int = 1, side: int = SIDE) -> Splits:
    """Random images, held in memory.

    Args:
        samples: number of training images.
        channels: of an image.
        side: height and width in pixels.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    shape = (samples, channels, side, side)
    images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, NUM_CLASSES, (samples,), generator=generator)
    info = DatasetInfo(
        task="classification",
        classes=tuple(str(number) for number in range(NUM_CLASSES)),
        channels=channels,
        image_size=(side, side),
    )
    return Splits(train=InMemory(images, labels), info=info)


def two_layers(info: DatasetInfo) -> nn.Module:
    """Two linear layers: a model whose step takes about 300 microseconds."""
    return make_two_layers()


def make_two_layers() -> nn.Module:
    """The same model without imgfw."""
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 128), nn.ReLU(), nn.Linear(128, NUM_CLASSES))


def small_cnn(info: DatasetInfo) -> nn.Module:
    """Two convolutions and two linear layers, for images of 28x28 pixels."""
    from torch import nn

    return nn.Sequential(
        *(nn.Conv2d(info.channels, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, info.num_classes)),
    )


class EpochTimer(Callback):
    """Writes what the last epoch's training took to `epoch.json` in the run folder."""

    def on_epoch_start(self, run: Run) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def on_epoch_end(self, run: Run) -> None:
        seconds = {"cpu": time.process_time() - self._cpu, "wall": time.perf_counter() - self._wall}
        (run.folder / "epoch.json").write_text(json.dumps(seconds))


class FirstStep(Callback):
    """Writes when the first step was done to `first_step.json` in the run folder, and stops the run.

    `cpu` counts from the start of the process; `at` is the clock of the machine.
    """

    def on_step_end(self, run: Run) -> None:
        seconds = {"cpu": time.process_time(), "at": time.time()}
        (run.folder / "first_step.json").write_text(json.dumps(seconds))
        run.stop = "the first step is done"


@hookimpl
def imgfw_datasets():
    return [resident]


@hookimpl
def imgfw_models():
    return [small_cnn, two_layers]


@hookimpl
def imgfw_callbacks():
    return [EpochTimer, FirstStep]
