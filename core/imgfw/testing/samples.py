"""Made-up data for each task: what a dataset, a model or the core would hand to the provider under test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import tv_tensors

from imgfw.contract.callback import Plan
from imgfw.contract.dataset import ChannelStatistics, DatasetInfo
from imgfw.contract.task import Task
from imgfw.engine.components import build
from imgfw.engine.criterion import split_outputs
from imgfw.engine.parameters import parameter_groups
from imgfw.testing.subject import NotApplicableError, Subject
from imgfw.testing.tasks_tried import KNOWN

CLASSES = 5
_CONFIDENT = 12.0
"""The logit of a sure prediction; minus that is sure of the contrary."""


def info_of(task: str, channels: int = 3, size: tuple[int, int] = (32, 32)) -> DatasetInfo:
    """What is known of made-up data."""
    return DatasetInfo(
        task=task,
        classes=tuple(f"class{number}" for number in range(CLASSES)),
        channels=channels,
        image_size=size,
        class_counts=tuple(range(10, 10 + CLASSES)),
    )


def stand_ins(info: DatasetInfo) -> dict[str, Any]:
    """What imgfw offers to providers, for those that only want to be built."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    groups = parameter_groups(model, decay_norm_and_bias=False)
    return {
        "statistics": lambda: ChannelStatistics(mean=(0.5,) * info.channels, std=(0.25,) * info.channels),
        "model": model,
        "parameters": groups,
        "optimizer": torch.optim.SGD(parameter_groups(model, True), lr=0.1, momentum=0.9),
        "plan": Plan(total_steps=20, steps_per_epoch=5, epochs=4, modes={"val/loss": "min"}),
    }


def images_of(info: DatasetInfo, count: int) -> Tensor:
    """Noise: uint8 `[B, C, H, W]`."""
    assert info.image_size is not None
    shape = (count, info.channels, *info.image_size)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def target_of(subject: Subject, info: DatasetInfo, number: int) -> Any:
    """The target of a sample, as a dataset would return it."""
    made = subject.targets.get(info.task)
    if made is not None:
        return made(info, number)
    if info.task not in KNOWN:
        raise NotApplicableError(
            f"the kit has no targets of the task {info.task}; give it some: targets={{…}}"
        )
    return _TARGETS[info.task](info, number)


def _row(info: DatasetInfo, number: int) -> Tensor:
    return torch.tensor([float((number + position) % 2) for position in range(info.num_classes)])


def _mask(info: DatasetInfo, number: int) -> tv_tensors.Mask:
    """A rectangle of a class on class 0, and some columns that count for nothing: as many as the number."""
    assert info.image_size is not None
    height, width = info.image_size
    mask = torch.zeros(height, width, dtype=torch.uint8)
    mask[height // 4 : height // 2, width // 4 :] = 1 + number % (info.num_classes - 1)
    mask[:, : number % (width // 2)] = info.ignore_index
    return tv_tensors.Mask(mask)


def _objects(info: DatasetInfo, number: int) -> dict[str, Any]:
    """One or two boxes."""
    assert info.image_size is not None
    height, width = info.image_size
    corners = [[1.0, 2.0, width / 2, height / 2], [width / 3, height / 3, width - 1.0, height - 2.0]]
    boxes = torch.tensor(corners[: 1 + number % 2])
    labels = torch.arange(number, number + len(boxes)) % info.num_classes
    made = tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=info.image_size)
    return {"boxes": made, "labels": labels}


_TARGETS: dict[str, Callable[[DatasetInfo, int], Any]] = {
    "classification": lambda info, number: number % info.num_classes,
    "multilabel": _row,
    "segmentation": _mask,
    "detection": _objects,
}


@dataclass
class Batch:
    """A batch of made-up samples.

    Attributes:
        task: the task.
        info: what is known of the data.
        targets: as the task collates them.
        outputs: what a model may return for them in evaluation mode; None where that is not known.
        perfect: the same of a model that is sure of the truth; None where that is not known.
        wrong: the same of one that is sure of something else.
    """

    task: Task
    info: DatasetInfo
    targets: Any
    outputs: Any = None
    perfect: Any = None
    wrong: Any = None


def task_of(subject: Subject, info: DatasetInfo) -> Task:
    """The task by its name, as a run would build it."""
    if subject.provider.kind.name == "tasks":
        built: Task = subject.build(info)
    else:
        provider = subject.catalog.find("tasks", info.task)
        with subject.attempt(f"its task {info.task} cannot be built"):
            built = provider.factory(*(info for _ in provider.asks_for))
    return built


def batch_of(subject: Subject, task_name: str, count: int, size: tuple[int, int] = (16, 16)) -> Batch:
    """A batch of a task, with outputs where the kit or a model of the plugin can make some."""
    info = info_of(task_name, size=size)
    task = task_of(subject, info)
    singles = [target_of(subject, info, number) for number in range(count)]
    with subject.attempt(f"its task {task_name} cannot collate targets"):
        batch = Batch(task, info, task.collate(singles))
    if task_name in _OUTPUTS and task_name not in subject.targets:
        batch.perfect, batch.wrong = _OUTPUTS[task_name](batch.targets, info)
        batch.outputs = _doubtful(batch.perfect, batch.wrong)
    else:
        batch.outputs = _outputs_of_own_model(subject, info, count)
    return batch


def _doubtful(perfect: Any, wrong: Any) -> Any:
    """What a model returns that is right more often for later samples, so that no part is like another."""
    if isinstance(perfect, list):
        first_right = len(perfect) // 3
        chosen = [*wrong[:first_right], *perfect[first_right:]]
        return [{**one, "scores": one["scores"] * (n + 1) / len(chosen)} for n, one in enumerate(chosen)]
    noise = torch.randn(perfect.shape, generator=torch.Generator().manual_seed(2))
    sureness = torch.linspace(0.1, 2.0, len(perfect)).view(-1, *[1] * (perfect.ndim - 1))
    return perfect / _CONFIDENT * sureness + noise


def _sure(truth: Tensor) -> tuple[Tensor, Tensor]:
    """Logits from what is true: 1 where it is."""
    return (2 * truth - 1) * _CONFIDENT, (1 - 2 * truth) * _CONFIDENT


def _of_classes(targets: Tensor, info: DatasetInfo) -> tuple[Tensor, Tensor]:
    one_hot = nn.functional.one_hot(targets, info.num_classes).float()
    return _sure(one_hot)[0], _sure(one_hot.roll(1, dims=1))[0]


def _of_rows(targets: Tensor, info: DatasetInfo) -> tuple[Tensor, Tensor]:
    return _sure(targets)


def _of_masks(targets: Tensor, info: DatasetInfo) -> tuple[Tensor, Tensor]:
    classes = targets.where(targets != info.ignore_index, 0)
    one_hot = nn.functional.one_hot(classes, info.num_classes).movedim(-1, 1).float()
    return _sure(one_hot)[0], _sure(one_hot.roll(1, dims=1))[0]


def _of_objects(targets: Sequence[dict[str, Tensor]], info: DatasetInfo) -> tuple[Any, Any]:
    """Each object found; and for the wrong ones another class."""
    found = [
        {"boxes": target["boxes"], "labels": target["labels"], "scores": torch.ones(len(target["labels"]))}
        for target in targets
    ]
    return found, [{**one, "labels": (one["labels"] + 1) % info.num_classes} for one in found]


_OUTPUTS: dict[str, Callable[[Any, DatasetInfo], tuple[Any, Any]]] = {
    "classification": _of_classes,
    "multilabel": _of_rows,
    "segmentation": _of_masks,
    "detection": _of_objects,
}


def _outputs_of_own_model(subject: Subject, info: DatasetInfo, count: int) -> Any:
    """What a model of the same plugin returns; None where it has none for the task."""
    for provider in subject.catalog.providers("models"):
        if provider.plugin == subject.provider.plugin and info.task in provider.about.tasks:
            other = Subject(provider, subject.catalog, None, subject.targets, subject.folder)
            model = build(other.node, {**stand_ins(info), "info": info}).eval()
            with torch.no_grad():
                outputs = model(images_of(info, count) / 255)
            return split_outputs(outputs, provider.about.auxiliary)[0]
    return None


def tensors_in(value: Any) -> list[Tensor]:
    """Every tensor within nested lists, tuples, dicts and objects of several."""
    if isinstance(value, Tensor):
        return [value.as_subclass(Tensor)]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in tensors_in(item)]
    return [torch.tensor(value)] if isinstance(value, int | float) else []


def equal(first: Any, second: Any) -> bool:
    """Whether two values hold the same tensors and numbers; NaN equals NaN."""
    left, right = tensors_in(first), tensors_in(second)
    return len(left) == len(right) and all(
        a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=0, atol=0, equal_nan=True)
        for a, b in zip(left, right, strict=True)
    )


def copy_of(value: Any) -> Any:
    """The tensors of a value, copied."""
    return [tensor.detach().clone() for tensor in tensors_in(value)]
