"""What is asked of datasets."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors

from imgfw.contract.dataset import DatasetInfo, MapDataset, Splits
from imgfw.contract.task import Task
from imgfw.testing.samples import equal, info_of, task_of
from imgfw.testing.subject import NotApplicableError, Subject

_LOOKED_AT = 100
"""Samples of a split that are looked at, spread over it."""

_AT_ONCE = 1000
_MOST = 100_000
"""Samples of a split whose targets are checked where it offers batches."""


def _splits(subject: Subject) -> Splits:
    splits = subject.build(info_of("any"))
    subject.expect(
        isinstance(splits, Splits), f"it returns {type(splits).__name__}, not imgfw.Splits(train=…, info=…)."
    )
    assert isinstance(splits, Splits)
    return splits


def _parts(splits: Splits) -> Iterator[tuple[str, MapDataset]]:
    for name in ("train", "val", "test"):
        part = getattr(splits, name)
        if part is not None:
            yield name, part


def _indices(part: MapDataset, count: int = _LOOKED_AT) -> list[int]:
    """Indices spread over a split, its first and last among them."""
    last = len(part) - 1
    gaps = max(min(count - 1, last), 1)
    return sorted({round(number * last / gaps) for number in range(gaps + 1)})


def _sample(subject: Subject, name: str, part: MapDataset, index: int) -> tuple[Any, Any]:
    with subject.attempt(
        f"{name}[{index}] fails", "A sample that cannot be read raises imgfw.BadSampleError."
    ):
        sample = part[index]
    subject.expect(
        isinstance(sample, tuple) and len(sample) == 2,
        f"{name}[{index}] is {type(sample).__name__}, not (image, target).",
    )
    return sample


def length(subject: Subject) -> None:
    """Its splits have samples, as many as they say."""
    splits = _splits(subject)
    for name, part in _parts(splits):
        with subject.attempt(f"len({name}) fails"):
            count = len(part)
        subject.expect(count > 0, f"{name} is empty. Leave a split that is not there out: {name}=None.")
        _sample(subject, name, part, count - 1)
    subject.expect(bool(splits.info.classes), "its info names no classes.")
    subject.expect(
        len(set(splits.info.classes)) == len(splits.info.classes), "its info names a class more than once."
    )


def info(subject: Subject) -> None:
    """Images and targets are what the info says."""
    splits = _splits(subject)
    task = task_of(subject, splits.info)
    for name, part in _parts(splits):
        labels = _labels(subject, splits.info, name, part)
        for index in _indices(part):
            image, target = _sample(subject, name, part, index)
            where = f"{name}[{index}]"
            _expect_image(subject, splits.info, image, where)
            _expect_target(subject, task, [target], where)
            subject.expect(
                labels is None or not isinstance(target, int) or target == labels[index],
                f"{where} has the target {target}, but labels() says {labels and labels[index]}.",
            )
            subject.expect(
                not hasattr(part, "target") or equal(part.target(index), target),
                f"{name}.target({index}) is another target than that of {where}.",
            )
        _expect_targets_in_batches(subject, task, name, part)
    _expect_counts(subject, splits)


def _expect_image(subject: Subject, info: DatasetInfo, image: Any, where: str) -> None:
    subject.expect(
        isinstance(image, tv_tensors.Image) and image.dtype == torch.uint8 and image.ndim == 3,
        f"the image of {where} is {_shown(image)}, not a tv_tensors.Image, uint8, [C, H, W].",
    )
    subject.expect(
        image.shape[0] == info.channels,
        f"the image of {where} has {image.shape[0]} channels, but info.channels is {info.channels}.",
    )
    size = tuple(image.shape[1:])
    subject.expect(
        info.image_size is None or size == tuple(info.image_size),
        f"the image of {where} is {size}, but info.image_size is {info.image_size}. "
        "Leave it None where sizes differ.",
    )


def _shown(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{type(value).__name__} {value.dtype} {list(value.shape)}"
    return type(value).__name__


def _expect_target(subject: Subject, task: Task, targets: list[Any], where: str) -> None:
    with subject.attempt(f"the target of {where} is not what the task {task.info.task} takes"):
        wrong = task.check(task.collate(targets))
    subject.expect(
        not wrong, f"{where}: {wrong[0][1] if wrong else ''}. The labels and info.classes disagree."
    )


def _expect_targets_in_batches(subject: Subject, task: Task, name: str, part: Any) -> None:
    if not hasattr(part, "__getitems__"):
        return
    for start in range(0, min(len(part), _MOST), _AT_ONCE):
        indices = list(range(start, min(start + _AT_ONCE, len(part))))
        with subject.attempt(f"{name}.__getitems__ fails"):
            wrong = task.check(part.__getitems__(indices)[1])
        found = f"{name}[{indices[wrong[0][0]]}]: {wrong[0][1]}" if wrong else ""
        subject.expect(not wrong, f"{found}. The labels and info.classes disagree.")


def _labels(subject: Subject, info: DatasetInfo, name: str, part: Any) -> Sequence[int] | None:
    """What `labels()` says, where it is offered: a class for each sample."""
    if not hasattr(part, "labels"):
        return None
    with subject.attempt(f"{name}.labels() fails"):
        labels: Sequence[int] | None = part.labels()
    if labels is None:
        return None
    subject.expect(
        len(labels) == len(part),
        f"{name}.labels() has {len(labels)} values, but there are {len(part)} samples.",
    )
    odd = [label for label in labels if not 0 <= label < info.num_classes]
    subject.expect(
        not odd, f"{name}.labels() holds {odd[:1]}, but there are {info.num_classes} classes in info."
    )
    return labels


def _expect_counts(subject: Subject, splits: Splits) -> None:
    """The counts of the info, where it has some, are those of the training labels."""
    stated, labels = splits.info.class_counts, getattr(splits.train, "labels", lambda: None)()
    if stated is None or labels is None:
        return
    counts = tuple(list(labels).count(index) for index in range(splits.info.num_classes))
    subject.expect(
        tuple(stated) == counts,
        f"info.class_counts is {stated}, but labels() has {counts}. Leave it out: imgfw counts the labels.",
    )


def describe(subject: Subject) -> None:
    """What it says of the data from its settings is so."""
    stated = subject.provider.about.describe
    assert stated is not None
    with subject.attempt("about(describe=…) fails on its settings"):
        described = stated(subject.node.settings)
    real = _splits(subject).info
    for fact in ("task", "num_classes", "channels", "image_size"):
        said, is_so = getattr(described, fact), getattr(real, fact)
        subject.expect(
            said is None or said == is_so,
            f"about(describe=…) says that {fact} is {said!r}, but the data's info has {is_so!r}. "
            "`imgfw check` relies on it; say None where only the data can tell.",
        )


def pickle_(subject: Subject) -> None:
    """Worker processes can be given it."""
    for name, part in _parts(_splits(subject)):
        hint = "Workers get a copy: keep no open files, locks, lambdas or local classes in it."
        with subject.attempt(f"{name} cannot be sent to a worker process", hint):
            copied = pickle.loads(pickle.dumps(part))
            same = len(copied) == len(part) and equal(copied[0], part[0])
        subject.expect(same, f"{name}[0] is another sample in a worker process. {hint}")


def repeatable(subject: Subject) -> None:
    """The same index returns the same sample, in whatever order and state of the generators."""
    for name, part in _parts(_splits(subject)):
        indices = _indices(part, 8)
        torch.manual_seed(1)
        first = {index: _sample(subject, name, part, index) for index in indices}
        torch.manual_seed(2)
        for index in reversed(indices):
            subject.expect(
                equal(_sample(subject, name, part, index), first[index]),
                f"{name}[{index}] is another sample the second time. Random changes belong in a transform.",
            )


def batches(subject: Subject) -> None:
    """`__getitems__`, where it is offered, returns what `__getitem__` does."""
    splits = _splits(subject)
    if not any(hasattr(part, "__getitems__") for _, part in _parts(splits)):
        raise NotApplicableError("it offers no __getitems__")
    task = task_of(subject, splits.info)
    for name, part in _parts(splits):
        indices = _indices(part, 8)[::-1]
        with subject.attempt(f"{name}.__getitems__({indices}) fails"):
            images, targets = part.__getitems__(indices)  # type: ignore[attr-defined]
        singles = [_sample(subject, name, part, index) for index in indices]
        subject.expect(
            isinstance(images, Tensor) and equal(list(images), [image for image, _ in singles]),
            f"{name}.__getitems__ returns other images than {name}[i]; it returns uint8 [B, C, H, W].",
        )
        subject.expect(
            equal(targets, task.collate([target for _, target in singles])),
            f"{name}.__getitems__ returns other targets than the task makes of {name}[i].",
        )
