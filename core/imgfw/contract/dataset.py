"""What a dataset provider returns, and what is known of a dataset before and after it is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class MapDataset(Protocol):
    """A dataset that is indexed by number.

    `dataset[i]` returns `(image, target)`. The image is a `torchvision.tv_tensors.Image`, uint8, `[C, H, W]`;
    the target is what the task asks for (see the tasks page of the documentation). The same index always
    returns the same sample. A sample that cannot be read raises `imgfw.BadSampleError`.

    More methods are used where a dataset has them:

    - `__getitems__(indices)`: the samples of a list of indices at once, as `(images, targets)` with images
      uint8 `[B, C, H, W]` and targets as the task collates them. In-memory data is fetched this way.
    - `read(index, least_size)`: the same as `[index]`, the image maybe smaller: `least_size(height, width)`
      says how small it may be. `imgfw.read_image` takes it; hand over what that returns as it is. For tasks
      whose targets speak of whole images.
    - `labels()`: a sequence of one class index a sample, for stratified splits and balanced weights.
    - `name_of(index)`: what names a sample to its owner, a file path as a rule, for messages.
    - `target(index)`: the target alone, as `dataset[index]` returns it, without reading the image. All
      targets are then checked before the first step; else each is checked when its sample is read. It may
      raise `imgfw.BadSampleError` as well.
    - `name_of_target(index)`: what names a target to its owner, where that is not what names the image.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[Any, Any]: ...


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """What the parts of a run know of the data.

    Attributes:
        task: name of the task, as `classification`.
        classes: names of the classes; their positions are the class indices. A segmentation's background is
            a class like any other, a detection's is none.
        channels: channels of an image, 1 or 3 as a rule.
        image_size: `(height, width)` in pixels where all images agree, else None. A model is given the size
            that it will see, after the transforms.
        ignore_index: the value of a segmentation mask that counts for nothing.
        class_counts: training samples a class, where the dataset offers `labels()`.
    """

    task: str
    classes: tuple[str, ...]
    channels: int = 3
    image_size: tuple[int, int] | None = None
    ignore_index: int = 255
    class_counts: tuple[int, ...] | None = None

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.classes)


@dataclass(frozen=True, kw_only=True)
class DatasetDescription:
    """What is known of a dataset from its settings alone; None where only the data can tell."""

    task: str | None = None
    num_classes: int | None = None
    channels: int | None = None
    image_size: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class ChannelStatistics:
    """Mean and standard deviation of each channel, of pixels scaled to 0..1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Splits:
    """A dataset's parts. The core cuts a missing `val` (and `test`, when asked) from `train`."""

    train: MapDataset
    val: MapDataset | None = None
    test: MapDataset | None = None
    info: DatasetInfo


class InMemory:
    """A dataset held as one uint8 tensor, fetched a batch at a time.

    Args:
        images: uint8 tensor `[N, C, H, W]`.
        targets: tensor `[N, ...]`: class indices, multi-hot rows or masks.
    """

    def __init__(self, images: Any, targets: Any) -> None:
        if len(images) != len(targets):
            raise ValueError(f"{len(images)} images but {len(targets)} targets")
        self.images = images
        self.targets = targets

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        from torchvision import tv_tensors

        target = self.targets[index]
        if target.ndim == 0:
            target = int(target)
        elif target.ndim == 2:
            target = tv_tensors.Mask(target)
        return tv_tensors.Image(self.images[index]), target

    def __getitems__(self, indices: Sequence[int]) -> tuple[Any, Any]:
        import torch

        rows = torch.as_tensor(indices)
        if not self.images.is_cpu:
            rows = rows.to(self.images.device, non_blocking=True)
        images, targets = _taken(self.images, rows), self.targets.index_select(0, rows)
        if targets.ndim == 3:
            from torchvision import tv_tensors

            targets = tv_tensors.Mask(targets)
        return images, targets

    def to(self, device: Any, memory_format: Any = None) -> InMemory:
        """The same data on a device, where its batches come from then.

        Args:
            device: a `torch.device`.
            memory_format: a `torch.memory_format` for the images and for every batch of them; as they are
                unless given.
        """
        import torch

        layout = torch.preserve_format if memory_format is None else memory_format
        return InMemory(self.images.to(device, memory_format=layout), self.targets.to(device))

    def labels(self) -> Sequence[int] | None:
        """Class index of each sample; None when the targets are not class indices."""
        return self.targets.tolist() if self.targets.ndim == 1 else None


def _taken(images: Any, rows: Any) -> Any:
    """Some of the images; where the channels of a pixel are adjacent in memory they stay so."""
    import torch

    if images.is_contiguous() or not images.is_contiguous(memory_format=torch.channels_last):
        return images.index_select(0, rows)
    return images.movedim(1, -1).index_select(0, rows).movedim(-1, 1)
