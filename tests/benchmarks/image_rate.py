"""How fast image files become augmented batches, and how fast images are warped, with nobody to use them."""

from __future__ import annotations

import io
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from imgfw.catalog.catalog import Catalog
from imgfw.engine.building import build_parts
from imgfw.engine.console import Console
from imgfw.engine.input import images
from imgfw.engine.input.bad_data import Quarantine
from imgfw.engine.input.caching import cache_images
from imgfw.engine.input.data import build_data
from imgfw.recipe.checking import check
from imgfw.recipe.reading import read_recipe
from imgfw_runs import PLUGIN
from measuring import Effort, Seconds, Spread, Variant, interleave, ratios, timed
from page import goals, table
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as v1
from torchvision.io import ImageReadMode, decode_jpeg, read_file
from torchvision.transforms import InterpolationMode, v2

BATCH_SIZE = 32
HEIGHT, WIDTH, SIDE, CROP = 375, 500, 256, 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NORMALIZE = {"type": "normalize", "mean": MEAN, "std": STD}
BILINEAR = InterpolationMode.BILINEAR

WITHOUT, IN_ROWS = "imgfw without simplejpeg", "imgfw, `channels_last` as for convolutions"
BY_PIL, WARPED = "PIL, torchvision's transforms v1", 'imgfw, `"warp": "opencv"`'
ON_TENSORS, ON_PIL = "torchvision v2 on tensors", "torchvision v1 on PIL images"


def photo(seed: int, height: int = HEIGHT, width: int = WIDTH) -> Image.Image:
    """A picture with detail at every scale and a little noise, which a JPEG of quality 90 holds in 55 kB."""
    generator = np.random.default_rng(seed)
    pixels = 128 + generator.normal(size=(height, width, 1)) * 3
    for columns, strength in ((8, 60), (16, 40), (32, 25), (64, 15), (128, 10)):
        noise = generator.normal(size=(3, columns * height // width + 2, columns)).astype(np.float32)
        grown = [Image.fromarray(plane).resize((width, height), Image.Resampling.BICUBIC) for plane in noise]
        pixels = pixels + strength * np.stack([np.asarray(plane) for plane in grown], axis=2)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


@contextmanager
def folder_of_photos(count: int, copies: int = 1) -> Iterator[Path]:
    """Folders of two classes with JPEG files.

    Args:
        count: photos, each a little work.
        copies: files of each, which are links to one.
    """
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            path = Path(folder) / f"class{number % 2}" / f"{number}.jpg"
            path.parent.mkdir(exist_ok=True)
            photo(number).save(path, quality=90)
            for copy in range(1, copies):
                os.link(path, path.with_name(f"{number}-{copy}.jpg"))
        yield Path(folder)


def imgfw_input(recipe: dict[str, Any]) -> Variant:
    """The training input of a recipe, without workers: fetching, and the transforms of batches."""
    whole = {
        "split": {"val_fraction": 0.0},
        "model": "resnet9",
        "train": {"device": "cpu", "channels_last": False},
        **recipe,
        "loader": {"num_workers": 0, "batch_size": BATCH_SIZE, **recipe.get("loader", {})},
    }
    resolved = check(read_recipe(whole), Catalog()).recipe
    data = build_data(resolved, Quarantine())
    parts = build_parts(resolved, data, torch.device("cpu"))
    cache_images(parts, Console(quiet=True))
    steps = range(parts.batches.steps_per_epoch)

    def consume() -> None:
        jobs = [(0, part) for step in steps for part in parts.batches.micro_batches(0, step)]
        for raw in parts.train_loader.run(jobs):
            parts.train_feeder.prepare(raw)

    return timed(consume)


def by_pillow(variant: Variant) -> Variant:
    """The same where simplejpeg is not installed."""

    def run() -> Seconds:
        with patch.object(images, "fast_decoder", _none):
            return variant()

    return run


def _none() -> None:
    return None


class Loaded(Dataset[tuple[Tensor, int]]):
    """What a function loads of each item, transformed; as most datasets are written."""

    def __init__(self, items: Sequence[Any], load: Callable[[Any], Any], transform: Any) -> None:
        self._items = items
        self._load = load
        self._transform = transform

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self._transform(self._load(self._items[index])), index % 2


def torchvision_input(items: Sequence[Any], load: Callable[[Any], Any], transform: Any) -> Variant:
    """A DataLoader without workers."""
    loader = DataLoader(Loaded(items, load, transform), batch_size=BATCH_SIZE, shuffle=True)

    def consume() -> None:
        for _ in loader:
            pass

    return timed(consume)


def _as_tensor(path: Path) -> Tensor:
    return decode_jpeg(read_file(str(path)), ImageReadMode.RGB)  # type: ignore[no-any-return]


def _as_pil(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def decoding(folder: Path) -> dict[str, Variant]:
    """JPEG files to random resized crops."""
    paths = sorted(folder.rglob("*.jpg"))
    crop = [{"type": "random_resized_crop", "size": CROP}, "random_horizontal_flip", NORMALIZE]
    resized = [{"type": "resize", "size": [SIDE, SIDE]}, *crop]
    data = {"type": "image_folder", "root": str(folder)}
    on_tensors = v2.Compose(
        [
            v2.RandomResizedCrop(CROP, antialias=True),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )
    on_pil = v1.Compose(
        [v1.RandomResizedCrop(CROP), v1.RandomHorizontalFlip(), v1.ToTensor(), v1.Normalize(MEAN, STD)]
    )
    cropped = imgfw_input({"data": data, "transforms": {"train": crop}})
    return {
        "imgfw": cropped,
        WITHOUT: by_pillow(cropped),
        IN_ROWS: imgfw_input(
            {"data": data, "transforms": {"train": crop}, "train": {"device": "cpu", "channels_last": True}}
        ),
        'imgfw, resized to 256x256, `"cache": "ram"`': imgfw_input(
            {"data": data, "transforms": {"train": resized}, "loader": {"cache": "ram"}}
        ),
        "torchvision's decoder, transforms v2 on tensors": torchvision_input(paths, _as_tensor, on_tensors),
        BY_PIL: torchvision_input(paths, _as_pil, on_pil),
    }


def warping(samples: int) -> dict[str, Variant]:
    """Images in memory, flipped, turned and cropped."""
    transforms = [
        "random_horizontal_flip",
        {"type": "random_rotation", "degrees": 30, "interpolation": "bilinear"},
        {"type": "random_resized_crop", "size": CROP},
        NORMALIZE,
    ]
    data = {"type": "resident", "samples": samples, "channels": 3, "side": SIDE}
    recipe = {"plugins": [PLUGIN], "data": data, "transforms": {"train": transforms}}
    once = {**recipe, "transforms": {"train": transforms, "warp": "opencv"}}
    pictures = [photo(number, SIDE, SIDE) for number in range(min(samples, 32))]
    images = [pictures[number % len(pictures)] for number in range(samples)]
    moves = [v2.RandomHorizontalFlip(), v2.RandomRotation(30, BILINEAR), v2.RandomResizedCrop(CROP)]
    to_float = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    on_pil = [
        v1.RandomHorizontalFlip(),
        v1.RandomRotation(30, BILINEAR),
        v1.RandomResizedCrop(CROP),
        v1.ToTensor(),
        v1.Normalize(MEAN, STD),
    ]
    tensors = [v2.functional.pil_to_tensor(image) for image in images]
    return {
        WARPED: imgfw_input(once),
        "imgfw": imgfw_input(recipe),
        ON_TENSORS: torchvision_input(tensors, _same, v2.Compose([*moves, *to_float])),
        ON_PIL: torchvision_input(images, _same, v1.Compose(on_pil)),
    }


def _same(item: Any) -> Any:
    return item


def measure(effort: Effort) -> str:
    """Measure, and write the section of the page."""
    samples = effort.steps * BATCH_SIZE
    content = io.BytesIO()
    photo(0).save(content, "JPEG", quality=90)
    with folder_of_photos(samples) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torchvision's decoder will leave it
        files = interleave(decoding(folder), effort.rounds)
    warps = interleave(warping(samples), effort.rounds)
    note = _NOTE.format(rounds=effort.rounds, samples=samples, size=len(content.getvalue()) // 1000)
    return "\n\n".join(
        [note, _table(files, samples), _WARPS, _table(warps, samples), _goals(files, warps, samples)]
    )


def _goals(files: dict[str, list[Seconds]], warps: dict[str, list[Seconds]], samples: int) -> str:
    """What was aimed at beside what was measured, by CPU time."""
    rate = Spread.of(samples / seconds.cpu for seconds in files["imgfw"]).show(",.0f")
    over_pil = {name: _times_as_fast(files, name, BY_PIL) for name in ("imgfw", IN_ROWS)}
    return goals(
        [
            ("JPEG files: images per CPU second", "800 or more", rate),
            (f"JPEG files: times {BY_PIL}", "1.9 or more", over_pil["imgfw"]),
            (f"JPEG files, {IN_ROWS}: times {BY_PIL}", "1.9 or more", over_pil[IN_ROWS]),
            (
                f"in memory, {WARPED}: times {ON_TENSORS}",
                "2.5 or more",
                _times_as_fast(warps, WARPED, ON_TENSORS),
            ),
            (f"in memory, {WARPED}: times {ON_PIL}", "2.5 or more", _times_as_fast(warps, WARPED, ON_PIL)),
        ]
    )


def _times_as_fast(measured: dict[str, list[Seconds]], ours: str, theirs: str) -> str:
    slow, fast = ([seconds.cpu for seconds in measured[name]] for name in (theirs, ours))
    return ratios(slow, fast).show(".2f")


def _table(measured: dict[str, list[Seconds]], samples: int) -> str:
    *_, last = measured
    slowest = [samples / seconds.cpu for seconds in measured[last]]
    rows = []
    for name, runs in measured.items():
        rates = [samples / seconds.cpu for seconds in runs]
        walls = Spread.of(samples / seconds.wall for seconds in runs).show(",.0f")
        ratio = ratios(rates, slowest).show(".2f") if name != last else ""
        rows.append([name, Spread.of(rates).show(",.0f"), walls, ratio])
    return table(["input", "images per CPU second", "images/s", "times the last row"], rows)


_NOTE = """\
{samples:,} JPEG files of 500x375 pixels ({size} kB each, in the page cache): random resized crop to 224,
random flip, to float, normalise, in batches of 32; one thread, no workers, and nobody who uses the batches;
{rounds} rounds, interleaved. imgfw decodes with simplejpeg, but for one row. With `"cache": "ram"` the
images are decoded and resized once, which is not counted."""

_WARPS = """\
As many RGB images of 256x256 pixels in memory: random flip, rotation by up to 30 degrees, random resized crop
to 224, all bilinear, to float, normalise."""
