"""How fast augmented batches come, with nobody to use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from imgfw.catalog.catalog import Catalog
from imgfw.engine.input.bad_data import Quarantine
from imgfw.engine.input.batch_plan import BatchPlan
from imgfw.engine.input.data import build_data
from imgfw.engine.input.loading import Feeder, Fetcher
from imgfw.engine.input.workers import BatchLoader
from imgfw.recipe.checking import check
from imgfw.recipe.reading import read_recipe
from imgfw_runs import PLUGIN
from measuring import Effort, Spread, Variant, interleave, ratios, timed
from page import goals, table
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

BATCH_SIZE = 128
SIDE = 32
PADDING = 4
MEAN, STD = (0.4914, 0.48216, 0.44653), (0.24703, 0.24349, 0.26159)

RECIPE: dict[str, Any] = {
    "plugins": [PLUGIN],
    "split": {"val_fraction": 0.0},
    "transforms": {
        "train": [
            {"type": "random_crop", "size": SIDE, "padding": PADDING},
            "random_horizontal_flip",
            {"type": "normalize", "mean": MEAN, "std": STD},
        ]
    },
    "model": "resnet9",
}


def imgfw_input(samples: int) -> Variant:
    """imgfw's own input: what fetches the batches, and what the transforms do to them."""
    recipe = {**RECIPE, "data": {"type": "resident", "samples": samples, "channels": 3, "side": SIDE}}
    resolved = check(read_recipe(recipe), Catalog()).recipe
    data = build_data(resolved, Quarantine())
    loader = BatchLoader(Fetcher(data.views.train, data.train_pipeline, data.task, False), num_workers=0)
    feeder = Feeder(data.train_pipeline, torch.device("cpu"), torch.contiguous_format)
    plan = BatchPlan(samples, BATCH_SIZE)

    def consume() -> None:
        jobs = [(0, part) for step in range(plan.steps_per_epoch) for part in plan.micro_batches(0, step)]
        for raw in loader.run(jobs):
            feeder.prepare(raw)

    return timed(consume)


class OneByOne(Dataset[tuple[Tensor, Tensor]]):
    """Images handed out one at a time, as most datasets are written.

    Args:
        images: uint8 tensors or PIL images.
        transform: torchvision's.
    """

    def __init__(self, images: list[Any], transform: Callable[[Any], Tensor]) -> None:
        self._images = images
        self._transform = transform

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self._transform(self._images[index]), index % 10


def torchvision_input(samples: int, pil: bool) -> Variant:
    """torchvision's transforms v2 in a DataLoader without workers."""
    generator = torch.Generator().manual_seed(0)
    tensors = list(torch.randint(0, 256, (samples, 3, SIDE, SIDE), generator=generator, dtype=torch.uint8))
    images = [v2.functional.to_pil_image(tensor) for tensor in tensors] if pil else tensors
    to_float = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    transform = v2.Compose(
        [
            v2.RandomCrop(SIDE, padding=PADDING),
            v2.RandomHorizontalFlip(),
            *([v2.PILToTensor()] if pil else []),
            *to_float,
        ]
    )
    loader = DataLoader(OneByOne(images, transform), batch_size=BATCH_SIZE, shuffle=True)

    def consume() -> None:
        for _ in loader:
            pass

    return timed(consume)


def measure(effort: Effort) -> str:
    """Measure, and write the section of the page."""
    samples = effort.steps * BATCH_SIZE
    measured = interleave(
        {
            "imgfw, whole batches": imgfw_input(samples),
            "torchvision v2 on tensors, one by one": torchvision_input(samples, pil=False),
            "torchvision v2 on PIL images, one by one": torchvision_input(samples, pil=True),
        },
        effort.rounds,
    )
    rows = [
        [
            name,
            Spread.of(samples / seconds.cpu for seconds in runs).show(",.0f"),
            Spread.of(samples / seconds.wall for seconds in runs).show(",.0f"),
        ]
        for name, runs in measured.items()
    ]
    header = ["input", "images per CPU second", "images/s"]
    ours, tensors, pil = ([samples / seconds.cpu for seconds in runs] for runs in measured.values())
    reached = [
        ("images per CPU second", "25,000 or more", Spread.of(ours).show(",.0f")),
        ("times torchvision on tensors", "4 or more", ratios(ours, tensors).show(".1f")),
        ("times torchvision on PIL images", "4 or more", ratios(ours, pil).show(".1f")),
    ]
    note = _NOTE.format(rounds=effort.rounds, samples=samples)
    return f"{note}\n\n{table(header, rows)}\n\n{goals(reached)}"


_NOTE = """\
{samples:,} RGB images of 32x32 pixels in memory, in a new order: random crop with 4 pixels of padding, random
flip, to float, normalise, in batches of 128; one thread, no workers, and nobody who uses the batches;
{rounds} rounds, interleaved. imgfw's figure holds the planning of the batches, the gather and the transforms;
torchvision's the DataLoader, the transforms and the collation."""
