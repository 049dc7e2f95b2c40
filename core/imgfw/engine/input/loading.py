"""Fetching batches: in line or in worker processes, and onto the device."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torchvision import tv_tensors

from imgfw.contract.errors import UsageError
from imgfw.engine.input.coded import CodedImage, CodedImages
from imgfw.engine.input.pipeline import Pipeline, as_mask
from imgfw.engine.input.sending import BackgroundSender, Sender, map_tensors, sent_ahead, to_device
from imgfw.engine.input.splits import BadSample, Indices, SplitView
from imgfw.engine.input.workers import Job, reading

if TYPE_CHECKING:
    from imgfw.contract.task import Task
    from imgfw.engine.input.decoding import Lead
    from imgfw.engine.input.device_decoding import DeviceDecoder


@dataclass
class RawBatch:
    """A micro-batch as a worker hands it over: before the transforms that work on batches.

    Attributes:
        epoch: from 0.
        indices: the samples' indices in the split.
        images: uint8 `[B, C, H, W]`, or a list of images of different sizes.
        targets: as the task collates them.
        bad: samples that were left out.
        partners: batches to mix in.
        coded: images that are not among `images`, since the device decodes them; targets and indices are of
            all.
        ready: what the model gets, where it was made ahead; the images and targets are gone then.
    """

    epoch: int
    indices: Indices
    images: Any
    targets: Any
    bad: list[BadSample] = field(default_factory=list)
    partners: list[RawBatch] = field(default_factory=list)
    coded: CodedImages | None = None
    ready: Batch | None = None

    def tensors(self) -> tuple[Any, ...]:
        """All that it holds on the device."""
        if self.ready is not None:
            return self.ready.images, self.ready.targets
        return self.images, self.targets, *(part for item in self.partners for part in item.tensors())

    def pin_memory(self) -> RawBatch:
        """Put the tensors where a GPU copies from without waiting (called by the loader's own thread)."""
        self.images, self.targets = map_tensors((self.images, self.targets), Tensor.pin_memory)
        self.partners = [partner.pin_memory() for partner in self.partners]
        return self


@dataclass
class Batch:
    """A micro-batch as the model gets it: float images on the device, and their targets."""

    images: Any
    targets: Any
    indices: Indices

    def __len__(self) -> int:
        return len(self.indices)


class Fetcher:
    """Fetches micro-batches, in a worker or in line.

    Args:
        view: the split.
        pipeline: its transforms.
        task: collates and checks targets.
        accepts_lists: whether the model takes images of different sizes.
        defers: leave images coded that a device can decode.
    """

    def __init__(
        self, view: SplitView, pipeline: Pipeline, task: Task, accepts_lists: bool, defers: bool = False
    ) -> None:
        self._view = view
        self._pipeline = pipeline
        self._task = task
        self._accepts_lists = accepts_lists
        self._whole = view.in_batches and not pipeline.on_samples
        self._reads_small = view.reads_small and task.of_whole_images
        self._defers = defers and self._reads_small

    def __len__(self) -> int:
        return len(self._view)

    def __getitem__(self, job: Job) -> RawBatch:
        epoch, indices = job
        batch = self._fetch(epoch, indices)
        if self._pipeline.mixing:
            partners = self._pipeline.partners(epoch, batch.indices, len(self._view))
            batch.partners = [self._fetch_partners(epoch, chosen, batch) for chosen in partners]
        return batch

    def _fetch_partners(self, epoch: int, chosen: list[int], batch: RawBatch) -> RawBatch:
        """The partners of a batch's samples; a sample whose partner is bad becomes its own."""
        partners = self._fetch(epoch, chosen)
        if not partners.bad:
            return partners
        batch.bad.extend(partners.bad)
        good = set(partners.indices)
        usable = [other if other in good else own for other, own in zip(chosen, batch.indices, strict=True)]
        return self._fetch(epoch, usable)

    def describe(self, job: Job) -> str:
        """Name the samples of a job to their owner."""
        epoch, indices = job
        when = f", epoch {epoch + 1}" if self._view.name == "train" else ""
        return f"{self._view.names(indices)} ({self._view.name} split{when})"

    def _fetch(self, epoch: int, indices: Indices) -> RawBatch:
        if self._whole:
            images, targets = self._view.batch(indices)
            return RawBatch(epoch, indices, images, targets)
        return self._fetch_one_by_one(epoch, [int(index) for index in indices])

    def _fetch_one_by_one(self, epoch: int, indices: list[int]) -> RawBatch:
        leads = self._pipeline.leads(epoch, indices, self._defers) if self._reads_small else None
        lead_of = dict(zip(indices, leads or (), strict=False))
        fetched = [(index, self._view.sample(index, lead_of.get(index))) for index in reading(indices)]
        bad = [item for _, item in fetched if isinstance(item, BadSample)]
        good = [(index, item) for index, item in fetched if not isinstance(item, BadSample)]
        kept, checked = self._check([index for index, _ in good], [item for _, item in good])
        left = [good[position][0] for position in kept]
        samples = [good[position][1] for position in kept]
        own_leads = [lead_of[index] for index in left] if leads else None
        coded = self._coded(left, samples) if self._defers else None
        if coded is not None:
            return self._partly_coded(epoch, left, samples, own_leads, coded, bad + checked)
        samples = self._pipeline.apply_to_samples(samples, epoch, left, own_leads)
        if not samples:
            return RawBatch(epoch, [], [], [], bad + checked)
        images = collate_images([image for image, _ in samples], self._accepts_lists)
        targets = as_mask(self._task.collate([target for _, target in samples]), samples[0][1])
        return RawBatch(epoch, left, images, targets, bad + checked)

    def _coded(self, indices: list[int], samples: list[Any]) -> CodedImages | None:
        """The images that were left coded; None where none was."""
        places = [place for place, (image, _) in enumerate(samples) if isinstance(image, CodedImage)]
        if not places:
            return None
        names = [self._view.bad_sample(indices[place], "") for place in places]
        return CodedImages.packed([samples[place][0] for place in places], places, names)

    def _partly_coded(
        self,
        epoch: int,
        indices: list[int],
        samples: list[Any],
        leads: list[Lead] | None,
        coded: CodedImages,
        bad: list[BadSample],
    ) -> RawBatch:
        """A batch some of whose images are coded; the others go through their transforms here."""
        apart = set(coded.positions)
        places = [place for place in range(len(samples)) if place not in apart]
        decoded = self._pipeline.apply_to_samples(
            [samples[place] for place in places],
            epoch,
            [indices[place] for place in places],
            leads and [leads[place] for place in places],
        )
        images = collate_images([image for image, _ in decoded], False) if decoded else []
        targets = self._task.collate([target for _, target in samples])
        return RawBatch(epoch, indices, images, targets, bad, coded=coded)

    def _check(self, indices: list[int], samples: list[Any]) -> tuple[list[int], list[BadSample]]:
        """The positions of the samples whose targets can be right, and the others."""
        if samples and not problem_of([target for _, target in samples], self._task):
            return list(range(len(samples))), []
        kept, bad = [], []
        for position, (index, (_, target)) in enumerate(zip(indices, samples, strict=True)):
            problem = problem_of([target], self._task)
            if problem:
                bad.append(self._view.bad_target(index, problem))
            else:
                kept.append(position)
        return kept, bad


def problem_of(targets: list[Any], task: Task) -> str:
    """Say why one of some targets cannot be right; empty where nothing is wrong with any."""
    try:
        problems = task.check(task.collate(targets))
    except Exception as error:  # a target of another kind breaks a task at any place
        return f"its target is none of the task's ({type(error).__name__}: {error})"
    return problems[0][1] if problems else ""


def collate_images(images: list[Any], accepts_lists: bool) -> Any:
    """Put images together: a tensor `[B, C, H, W]`, or the list where sizes differ and the model takes lists.

    Raises:
        UsageError: sizes differ, and the model takes no lists.
    """
    plain = [torch.as_tensor(image).as_subclass(Tensor) for image in images]
    shapes = {tuple(image.shape) for image in plain}
    if len(shapes) == 1:
        return _stacked(plain)
    if accepts_lists:
        return plain
    named = " and ".join(f"{shape[-2]}x{shape[-1]}" for shape in sorted(shapes)[:2])
    raise UsageError(
        f"Images of different sizes ({named}) cannot stand in one batch.",
        'Add {"type": "resize", "size": [224, 224]} or a crop to the transforms.',
    )


def _stacked(images: list[Tensor]) -> Tensor:
    """Stack images; where the channels of a pixel are adjacent in memory they stay so."""
    rows = [image.movedim(0, -1) for image in images] if images[0].ndim == 3 else []
    if rows and all(row.is_contiguous() for row in rows):
        return torch.stack(rows).movedim(-1, 1)
    return torch.stack(images)


_PATIENCE = 10.0
"""Seconds that a batch may take which is not needed any more."""


class Feeder:
    """Brings fetched batches onto the device and through the transforms that work on batches.

    Args:
        pipeline: the transforms.
        device: where the model is.
        memory_format: of images.
        decoder: decodes what the fetcher left coded.
        in_background: whether a thread may make the next batch ready while the model is worked on.

    Attributes:
        seconds: how long the host has worked at that so far.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        device: torch.device,
        memory_format: torch.memory_format,
        decoder: DeviceDecoder | None = None,
        in_background: bool = False,
    ) -> None:
        self._pipeline = pipeline
        self._device = device
        self._memory_format = memory_format
        rows = memory_format == torch.channels_last
        self._converts_bytes = device.type == "cuda" if rows else device.type == "cpu"
        self._decoder = decoder
        self._sender = Sender(device, self._make_ready) if device.type == "cuda" or in_background else None
        self._thread = _thread_on(device) if in_background else None
        self._background: BackgroundSender | None = None
        self.seconds = 0.0

    def ahead(self, batches: Iterator[RawBatch]) -> Iterator[RawBatch]:
        """The same batches, all images decoded; a GPU gets each while it works on the one before."""
        if self._background is not None:
            self._background.close()
        if self._sender is None:
            return batches if self._decoder is None else map(self._decoder.decode, batches)
        if self._thread is None:
            return sent_ahead(self._sender, batches)
        self._background = BackgroundSender(self._sender, batches, self._thread)
        return self._background

    def begin_next(self) -> None:
        """Say that this thread is about to wait for a while: the next batch can be made ready meanwhile."""
        if self._background is not None:
            self._background.begin_next()

    def close(self) -> None:
        """Leave the batches alone that `ahead` was given last; their loader is about to end its workers."""
        if self._background is not None:
            self._background.close(_PATIENCE)
            self._background = None

    def complete(self, raw: RawBatch) -> None:
        """Decode what is still coded; till then nobody knows which of the samples are bad."""
        if self._decoder is not None and raw.ready is None:
            self._decoder.decode(raw)

    def _make_ready(self, raw: RawBatch) -> None:
        """Prepare a batch ahead of its use; what it was made of can go."""
        self.complete(raw)  # which may leave none of its samples
        if len(raw.indices):
            raw.ready = self.prepare(raw)
            raw.images, raw.targets, raw.partners = [], [], []

    def prepare(self, raw: RawBatch) -> Batch:
        """Make a batch that the model can take."""
        if raw.ready is not None:
            return raw.ready
        began = time.perf_counter()
        self.complete(raw)
        images, targets = to_device(raw.images, self._device), to_device(raw.targets, self._device)
        if self._converts_bytes and isinstance(images, Tensor):  # as floats it takes several times as long
            images = images.contiguous(memory_format=self._memory_format)
        partners = [
            (*to_device((item.images, item.targets), self._device), item.indices) for item in raw.partners
        ]
        images, targets = self._pipeline.apply_to_batch(images, targets, raw.epoch, raw.indices, partners)
        if isinstance(images, Tensor):
            images = images.contiguous(memory_format=self._memory_format)
        if isinstance(targets, tv_tensors.Mask):
            targets = targets.as_subclass(Tensor)
        self.seconds += time.perf_counter() - began
        return Batch(images, targets, raw.indices)


def _thread_on(device: torch.device) -> ThreadPoolExecutor:
    """One thread, whose GPU is this one: else it would begin with the first, and take memory there."""
    begin = partial(torch.cuda.set_device, device) if device.type == "cuda" else None
    return ThreadPoolExecutor(1, "imgfw-next-batch", initializer=begin)


def choose_num_workers(in_place: bool, device: torch.device) -> int:
    """The `auto` rule: none for data that is in the memory of the device, else one a core."""
    if in_place:
        return 0
    cores = usable_cores()
    return min(cores if device.type != "cpu" else max(cores - 1, 1), 16)


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
