"""Keeping images as they are before the first random transform: decoded, resized, uint8."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torchvision import tv_tensors

from imgfw.contract.errors import BadSampleError, DataError, RecipeError, UsageError
from imgfw.contract.wording import in_units
from imgfw.engine.input.cache_files import (
    GIB,
    CacheFile,
    default_folder,
    key_of,
    open_or_write,
    refuse_more_than,
)
from imgfw.engine.input.images import LEAST_REDUCED
from imgfw.engine.input.loading import Feeder, Fetcher, RawBatch, choose_num_workers
from imgfw.engine.input.splits import BadSample, SplitView
from imgfw.engine.input.supply import may_be_in_background
from imgfw.engine.input.workers import BatchLoader, serving
from imgfw.recipe.checking import targets_with_places

if TYPE_CHECKING:
    from imgfw.engine.building import Parts
    from imgfw.engine.console import Console
    from imgfw.engine.input.pipeline import Pipeline

_BATCH = 64


class KeptSamples:
    """A split's kept images with their targets, one by one; a map-style dataset.

    Args:
        pixels: uint8 `[N, H, W, C]`, or the file that holds them.
        targets: as the task collates them, `[N, ...]`; those of bad samples count for nothing.
        bad: the samples that cannot be used.
        view: the split, which names the samples.
    """

    def __init__(
        self, pixels: Tensor | CacheFile, targets: Tensor, bad: Sequence[BadSample], view: SplitView
    ) -> None:
        self._pixels = pixels
        self._targets = targets
        own = {int(view.indices[place]): place for place in range(len(view))} if bad else {}
        self._bad = {own[sample.index]: sample for sample in bad}

    def _images(self) -> Tensor:
        """All images: uint8 `[N, C, H, W]`, the channels of a pixel adjacent in memory."""
        pixels = self._pixels if isinstance(self._pixels, Tensor) else self._pixels.pixels()
        return pixels.permute(0, 3, 1, 2)

    def __len__(self) -> int:
        return len(self._targets)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if index in self._bad:
            raise BadSampleError(self._bad[index].source, self._bad[index].reason)
        target = self._targets[index]
        return tv_tensors.Image(self._images()[index]), int(target) if target.ndim == 0 else target


class KeptView(SplitView):
    """A split whose images are kept; its samples are called what they are called in the split.

    Args:
        view: the split.
        samples: its kept images.
    """

    def __init__(self, view: SplitView, samples: KeptSamples) -> None:
        super().__init__(view.name, samples)
        self._view = view

    def bad_sample(self, index: int, reason: str) -> BadSample:
        """Say what is wrong with a sample."""
        return self._view.bad_sample(index, reason)

    def source_of(self, index: int) -> str:
        """What names a sample to its owner."""
        return self._view.source_of(index)


class KeptBatches(KeptSamples):
    """The same where no sample is bad: whole batches at a time."""

    def __getitems__(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        return self._images().index_select(0, indices), self._targets.index_select(0, indices)


def cache_images(parts: Parts, console: Console) -> None:
    """Where the recipe asks for it, keep the images of all splits, and let the run's loaders use them.

    Raises:
        UsageError: they cannot be kept; the message says why.
        DataError: samples cannot be used.
    """
    cache, data = parts.resolved.recipe.loader.cache, parts.data
    if cache == "none" or data.views.train.in_batches:
        return
    if not data.task.of_whole_images:
        raise RecipeError([targets_with_places(data.info.task)], parts.resolved.source.label)
    views = [view for view in (data.views.train, data.views.val, data.views.test) if view is not None]
    makings = [_Making(parts, view, console) for view in views]
    keep = _in_memory if cache == "ram" else _on_disk
    _use(parts, {making.view.name: samples for making, samples in zip(makings, keep(makings), strict=True)})


def _in_memory(makings: Sequence[_Making]) -> Iterator[KeptSamples]:
    """Keep splits in memory, for this run."""
    limit = makings[0].limit
    if limit is None:
        limit = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2
    refuse_more_than(sum(making.num_bytes for making in makings), limit, "memory")
    for making in makings:
        pixels, start = torch.empty(making.shape, dtype=torch.uint8), 0
        for batch in making:
            pixels[start : start + len(batch)] = batch
            start += len(batch)
        yield _kept(making, pixels, making.targets, making.bad)


def _on_disk(makings: Sequence[_Making]) -> Iterator[KeptSamples]:
    """Keep splits in files, for this run and later ones."""
    if (limit := makings[0].limit) is not None:  # else one split's file would make room for another's
        refuse_more_than(sum(making.num_bytes for making in makings), limit, "the files")
    for making in makings:
        resolved, name = making.parts.resolved, making.view.name
        fixed = making.nodes[: making.pipeline.num_fixed]
        folder = Path(resolved.recipe.loader.cache_dir or default_folder())
        file = open_or_write(
            folder / f"{key_of(making.view, resolved, fixed)}.images",
            making,
            making.limit,
            making.console.line,
        )
        labels = making.view.labels()
        assert labels is not None  # without them there were no key
        yield _kept(making, file, labels, [BadSample(name, *item) for item in file.bad])


def _kept(
    making: _Making, pixels: Tensor | CacheFile, targets: Tensor, bad: Sequence[BadSample]
) -> KeptSamples:
    making.parts.data.policy.handle(bad)
    making.console.line(f"cache    {making}")
    return (KeptSamples if bad else KeptBatches)(pixels, targets, bad, making.view)


def _use(parts: Parts, kept: dict[str, KeptSamples]) -> None:
    """Put loaders and feeders of kept images in the place of those that read files."""
    data, loader, device = parts.data, parts.resolved.recipe.loader, parts.precision.device
    whole = {name: isinstance(samples, KeptBatches) for name, samples in kept.items()}
    _, train = data.train_pipeline.divided(whole["train"])
    _, evaluation = data.eval_pipeline.divided(all(whole[name] for name in parts.eval_loaders))
    workers = loader.num_workers
    if workers == "auto":
        workers = choose_num_workers(whole["train"] and device.type == "cpu", device)
        parts.resolved.auto["loader.num_workers"] = workers

    def load(name: str, pipeline: Pipeline) -> BatchLoader:
        fetcher = Fetcher(KeptView(parts.view(name), kept[name]), pipeline, data.task, parts.computes_losses)
        return BatchLoader(fetcher, workers, loader.prefetch, device.type == "cuda")

    parts.train_loader = load("train", train)
    in_background = may_be_in_background(parts.resolved, device, workers > 0)
    parts.train_feeder = Feeder(train, device, parts.precision.memory_format, in_background=in_background)
    parts.eval_loaders = {name: load(name, evaluation) for name in parts.eval_loaders}
    parts.eval_feeder = Feeder(evaluation, device, parts.precision.memory_format)


def _nothing_fixed(split: str, found: str, one_warp: bool) -> UsageError:
    """Images that are not kept as they come: of several sizes, or so large that they are decoded smaller."""
    transforms = "transforms.train" if split == "train" else "transforms.eval"
    hint = f'Begin {transforms} with {{"type": "resize", "size": [256, 256]}}.'
    if one_warp:
        hint += (
            ' Set transforms.warp to "each", too: "opencv" makes one resampling of the resize and the random '
            "transforms after it, so that nothing is fixed."
        )
    return UsageError(
        "loader.cache keeps small uint8 images of one size, as they are before the first random transform; "
        f"in the {split} split {found}.",
        hint,
    )


class _Making:
    """The making of a split's kept images: reads it and sends it through the fixed transforms.

    Attributes:
        shape: of the pixels, `[N, H, W, C]`.
        targets: as the task collates them, `[N, ...]`; complete, as `bad` is, when all batches are made.
        bad: the samples that cannot be used; their images are black, their targets zeros.
    """

    def __init__(self, parts: Parts, view: SplitView, console: Console) -> None:
        self.parts = parts
        self.view = view
        self.console = console
        trains = view.name == "train"
        self.pipeline = parts.data.train_pipeline if trains else parts.data.eval_pipeline
        self.nodes = parts.resolved.train_transforms if trains else parts.resolved.eval_transforms
        fixed, _ = self.pipeline.divided(in_batches=False)
        self._fetcher = Fetcher(view, fixed, parts.data.task, accepts_lists=True)
        first = self._first()
        _, channels, height, width = first.images.shape
        self.shape: tuple[int, ...] = (len(view), height, width, channels)
        if not self.pipeline.num_fixed and min(height, width) >= LEAST_REDUCED:
            raise self._nothing_fixed(f"images are {height}x{width} pixels")
        self.targets = first.targets.new_zeros(len(view), *first.targets.shape[1:])
        self.bad: list[BadSample] = []

    def __str__(self) -> str:
        count, height, width, _ = self.shape
        size = f"{height}x{width}, {in_units(self.num_bytes)}"
        return f"{count:,} images of the {self.view.name} split, {size}"

    @property
    def num_bytes(self) -> int:
        """Bytes of all pixels."""
        return math.prod(self.shape)

    @property
    def limit(self) -> float | None:
        """The most bytes that all may take, where the recipe says it."""
        gib = self.parts.resolved.recipe.loader.cache_gib
        return None if gib is None else gib * GIB

    def _nothing_fixed(self, found: str) -> UsageError:
        warp = self.parts.resolved.recipe.transforms.warp
        return _nothing_fixed(self.view.name, found, one_warp=warp == "opencv")

    def _first(self) -> RawBatch:
        """The first sample that can be used."""
        for index in range(len(self.view)):
            raw = self._fetcher[(0, [index])]
            if len(raw.indices):
                return raw
        raise DataError(f"No sample of the {self.view.name} split can be used.")

    def __iter__(self) -> Iterator[Tensor]:
        """Batches of pixels, uint8 `[B, H, W, C]`, in the order of the samples."""
        asked, count = self.parts.resolved.recipe.loader.num_workers, len(self.view)
        workers = choose_num_workers(False, torch.device("cpu")) if asked == "auto" else asked
        jobs = [(0, list(range(start, min(start + _BATCH, count)))) for start in range(0, count, _BATCH)]
        loader = BatchLoader(self._fetcher, workers)
        self.console.begin(f"caching {self.view.name}", 0, len(jobs))
        with serving([loader]):
            for number, raw in enumerate(loader.run(jobs)):
                yield self._take(raw, jobs[number][1])
                self.console.advance(number + 1)
        self.console.end()

    def _take(self, raw: RawBatch, indices: list[int]) -> Tensor:
        """The pixels of a batch; its targets and bad samples are noted."""
        pixels = torch.zeros(len(indices), *self.shape[1:], dtype=torch.uint8)
        if len(raw.indices):
            pixels[torch.tensor(raw.indices) - indices[0]] = self._pixels_of(raw.images)
            self.targets[raw.indices] = raw.targets
        self.bad.extend(raw.bad)
        return pixels

    def _pixels_of(self, images: Any) -> Tensor:
        """A batch of images as uint8 `[B, H, W, C]`."""
        for image in images:
            _, height, width = image.shape
            if (height, width) != self.shape[1:3] or image.dtype != torch.uint8:
                raise self._nothing_fixed(
                    f"there are {height}x{width} and {self.shape[1]}x{self.shape[2]} ones"
                )
        return torch.stack(list(images)).permute(0, 2, 3, 1)
