"""The parts of a dataset: cut, checked and measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imgfw.contract.dataset import ChannelStatistics, DatasetInfo, MapDataset, Splits
from imgfw.contract.errors import BadSampleError, DataError, PluginError
from imgfw.contract.random import mix

if TYPE_CHECKING:
    from imgfw.recipe.schema import SplitSection

_CHUNK = 1024

Indices = Sequence[int] | NDArray[np.int64]
"""Samples by their index in a split; an array where they come from a plan, for batches fetched at once."""

LeastSize = Callable[[int, int], tuple[int, int]]
"""Given an image's height and width, how small it may come."""


@dataclass(frozen=True)
class BadSample:
    """A sample that cannot be used.

    Attributes:
        split: `train`, `val` or `test`.
        index: its index in the data that the split was cut from.
        source: the file, or what else names it.
        reason: what is wrong with it.
    """

    split: str
    index: int
    source: str
    reason: str


class SplitView:
    """One split of a dataset: some of its samples, in order.

    Args:
        name: `train`, `val` or `test`.
        dataset: the dataset.
        indices: int64 `[N]`, the dataset's samples that belong to the split; None means all.
        cut_from: the split that the dataset itself calls them; None means `name`.
    """

    def __init__(
        self, name: str, dataset: MapDataset, indices: Tensor | None = None, cut_from: str | None = None
    ) -> None:
        self.name = name
        self.dataset = dataset
        self._is_whole = indices is None
        self.indices = torch.arange(len(dataset)) if indices is None else indices
        self.cut_from = cut_from or name

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def in_batches(self) -> bool:
        """Whether the dataset returns whole batches."""
        return hasattr(self.dataset, "__getitems__")

    @property
    def reads_small(self) -> bool:
        """Whether the dataset decodes images as small as it is told."""
        return hasattr(self.dataset, "read")

    def batch(self, indices: Indices) -> tuple[Any, Any]:
        """Fetch several samples at once, from a dataset that can: `(images, targets)`.

        Raises:
            PluginError: the dataset fails.
        """
        rows = torch.from_numpy(np.asarray(indices, dtype=np.int64))  # 4 times as fast as torch from a list
        chosen = rows if self._is_whole else self.indices.index_select(0, rows)
        try:
            images, targets = self.dataset.__getitems__(chosen)  # type: ignore[attr-defined]
        except Exception as error:  # a dataset is a plugin's code and may raise anything
            raise PluginError(
                f"The dataset fails on samples {chosen.tolist()[:10]} of the {self.cut_from} data: "
                f"{type(error).__name__}: {error}.",
                "IMGFW_DEBUG=1 shows where.",
            ) from error
        return images, targets

    @property
    def tells_targets(self) -> bool:
        """Whether the dataset returns a target without reading the image."""
        return hasattr(self.dataset, "target")

    def sample(self, index: int, least_size: LeastSize | None = None) -> tuple[Any, Any] | BadSample:
        """Fetch one sample, `(image, target)`; whatever fails in the dataset is returned with its name.

        Args:
            index: in the split.
            least_size: how small the image may be, for datasets that read it so.
        """
        if least_size is None:
            return self._attempt(lambda own: _pair(*self.dataset[own]), index)
        read = self.dataset.read  # type: ignore[attr-defined]
        return self._attempt(lambda own: _pair(*read(own, least_size)), index)

    def target(self, index: int) -> Any | BadSample:
        """Fetch one target without its image, from a dataset that can; failures as of `sample`."""
        return self._attempt(self.dataset.target, index)  # type: ignore[attr-defined]

    def _attempt(self, read: Callable[[int], Any], index: int) -> Any | BadSample:
        try:
            return read(int(self.indices[index]))
        except BadSampleError as error:
            return dataclasses.replace(self.bad_sample(index, error.reason), source=error.source)
        except (Exception, SystemExit) as error:  # a dataset is a plugin's code and may raise anything
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
            return self.bad_sample(index, reason)

    def bad_sample(self, index: int, reason: str) -> BadSample:
        """Say what is wrong with a sample."""
        return BadSample(self.name, int(self.indices[index]), self.source_of(index), reason)

    def bad_target(self, index: int, reason: str) -> BadSample:
        """Say what is wrong with a sample's target, which may be in a file of its own."""
        sample = self.bad_sample(index, reason)
        name_of = getattr(self.dataset, "name_of_target", None)
        return sample if name_of is None else dataclasses.replace(sample, source=str(name_of(sample.index)))

    def source_of(self, index: int) -> str:
        """What names a sample to its owner: a file where the dataset tells it, else its index."""
        name_of = getattr(self.dataset, "name_of", None)
        own = int(self.indices[index])
        return str(name_of(own)) if name_of is not None else f"sample {own} of the {self.cut_from} data"

    def names(self, indices: Indices) -> str:
        """Name samples; of many the first ten, and the number of the others."""
        more = f" and {len(indices) - 10} more" if len(indices) > 10 else ""
        return ", ".join(self.source_of(index) for index in indices[:10]) + more

    def labels(self) -> Tensor | None:
        """The class index of each sample, int64 `[N]`, where the dataset tells and all are integers."""
        labels = getattr(self.dataset, "labels", None)
        values = labels() if labels is not None else None
        if values is None:
            return None
        indices = torch.as_tensor(values)
        return None if indices.is_floating_point() else indices.long()[self.indices]

    def without(self, bad: Sequence[BadSample]) -> SplitView:
        """The same split, some samples left out."""
        keep = ~torch.isin(self.indices, torch.tensor([sample.index for sample in bad]))
        return SplitView(self.name, self.dataset, self.indices[keep], self.cut_from)


def _pair(image: Any, target: Any) -> tuple[Any, Any]:
    return image, target


@dataclass
class Views:
    """The splits of a run's data; `val` and `test` are None where there are none."""

    train: SplitView
    val: SplitView | None
    test: SplitView | None
    info: DatasetInfo


def cut_splits(splits: Splits, section: SplitSection, seed: int) -> Views:
    """Cut the missing splits from the training data.

    Raises:
        DataError: a split would be, or is, empty.
    """
    train = SplitView("train", splits.train)
    val = SplitView("val", splits.val) if splits.val is not None else None
    test = SplitView("test", splits.test) if splits.test is not None else None
    if val is None and section.val_fraction:
        train, val = _cut(train, "val", section.val_fraction, section.stratified, mix(seed, 1))
    if test is None and section.test_fraction:
        share = section.test_fraction / (1 - (section.val_fraction if splits.val is None else 0))
        train, test = _cut(train, "test", share, section.stratified, mix(seed, 2))
    for view in (train, val, test):
        if view is not None and not len(view):
            raise DataError(
                f"The {view.name} split is empty.",
                "Check data.root, or the fractions under split in the recipe.",
            )
    labels = train.labels()
    info = splits.info
    in_range = (
        labels is not None
        and len(labels) > 0
        and bool(labels.min() >= 0)
        and bool(labels.max() < info.num_classes)
    )
    if labels is not None and in_range:
        counts = torch.bincount(labels, minlength=info.num_classes).tolist()
        info = dataclasses.replace(info, class_counts=tuple(counts))
    return Views(train, val, test, info)


def _cut(
    view: SplitView, name: str, share: float, stratified: bool, seed: int
) -> tuple[SplitView, SplitView]:
    """Take a share of a split's samples away as a split of its own; at least one sample, if there are two."""
    generator = torch.Generator().manual_seed(seed % 2**63)
    order = torch.randperm(len(view), generator=generator)
    labels = view.labels() if stratified else None
    if labels is not None:
        order = _interleave_classes(order, labels)
    count = min(max(round(share * len(view)), 1), len(view) - 1)
    taken, kept = order[:count].sort().values, order[count:].sort().values
    dataset, indices = view.dataset, view.indices
    rest = SplitView(view.name, dataset, indices[kept])
    return rest, SplitView(name, dataset, indices[taken], cut_from=view.name)


def _interleave_classes(order: Tensor, labels: Tensor) -> Tensor:
    """Reorder so that any beginning of the order holds each class in about its share."""
    shuffled = labels[order]
    rank = torch.zeros(len(order), dtype=torch.float64)
    for label in torch.unique(shuffled):
        members = (shuffled == label).nonzero().flatten()
        rank[members] = (torch.arange(len(members), dtype=torch.float64) + 0.5) / len(members)
    return order[rank.argsort(stable=True)]


def measure_statistics(view: SplitView, channels: int) -> ChannelStatistics:
    """Mean and standard deviation of each channel over all pixels of a split's readable images.

    Values are counted, so the result is exact and doesn't depend on the order of the images.
    """
    values = torch.arange(256)
    counts = torch.zeros(channels, len(values), dtype=torch.int64)
    for images in _readable_images(view):
        pixels = images.as_subclass(Tensor).transpose(0, 1).flatten(1)
        counts += torch.stack([torch.bincount(channel, minlength=len(values)) for channel in pixels])
    count = int(counts[0].sum())
    if not count:
        raise DataError(f"No image of the {view.name} split can be read, so it cannot be measured.")
    mean = (counts * values).sum(1).double() / count
    variance = (counts * values * values).sum(1).double() / count - mean * mean
    std = variance.clamp(min=1e-6).sqrt()
    return ChannelStatistics(mean=tuple((mean / 255).tolist()), std=tuple((std / 255).tolist()))


def _readable_images(view: SplitView) -> Iterator[Tensor]:
    """A split's images: uint8 `[B, C, H, W]`."""
    for start in range(0, len(view), _CHUNK):
        indices = list(range(start, min(start + _CHUNK, len(view))))
        if view.in_batches:
            yield view.batch(indices)[0]
            continue
        for index in indices:
            sample = view.sample(index)
            if not isinstance(sample, BadSample):
                yield sample[0].unsqueeze(0)
