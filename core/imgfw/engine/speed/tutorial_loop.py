"""The loop of PyTorch's tutorials on a recipe's work, which `bench --against raw` compares with."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as F

from imgfw.contract.errors import BadSampleError
from imgfw.engine.building import build_model
from imgfw.engine.components import build
from imgfw.engine.criterion import Criterion
from imgfw.engine.input.data import Data
from imgfw.engine.input.loading import collate_images
from imgfw.engine.input.pipeline import Pipeline, as_mask
from imgfw.engine.input.sending import to_device
from imgfw.engine.input.splits import BadSample
from imgfw.engine.parameters import parameter_groups
from imgfw.recipe.nodes import Node, map_nodes
from imgfw.recipe.resolving import ResolvedRecipe

_IN_TORCHVISION: dict[str, Any] = {
    name.lower(): kind
    for name, kind in vars(v2).items()
    if inspect.isclass(kind) and issubclass(kind, v2.Transform) and name not in ("MixUp", "CutMix")
}
_TO_FLOAT: tuple[Any, ...] = (v2.ToImage(), v2.ToDtype(torch.float32, scale=True))


class TutorialLoop:
    """Steps in fp32 on contiguous batches: PIL images through torchvision's transforms, one by one, in line.

    Data, transforms, model, loss, optimizer and batch size are the recipe's; so are a transform that
    torchvision lacks, sample by sample. Transforms that mix samples are left out.
    """

    def __init__(self, resolved: ResolvedRecipe, data: Data, device: torch.device) -> None:
        about = resolved.model.provider.about
        self._device = device
        self._takes_targets = about.computes_losses
        self._model: nn.Module = build_model(resolved, data.info).to(device).train()
        loss = build(resolved.loss, {"info": data.info, "model": self._model})
        self._criterion = Criterion(loss, about.auxiliary)
        groups = parameter_groups(self._model, True)
        offered = {"info": data.info, "parameters": groups, "model": self._model}
        self._optimizer = build(_unfused(resolved.optimizer), offered)
        self.batches = self._endless(_loader(resolved, data))
        self._running_loss = 0.0

    def __call__(self) -> int:
        """Make one step; how many images it was."""
        images, targets = to_device(next(self.batches), self._device)
        self._optimizer.zero_grad()
        outputs = self._model(images, targets) if self._takes_targets else self._model(images)
        loss = self._criterion(outputs, targets, len(images)).mean
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._running_loss += loss.item()
        return len(images)

    @staticmethod
    def _endless(loader: DataLoader[Any]) -> Iterator[Any]:
        while True:
            yield from loader


def _unfused(optimizer: Node) -> Node:
    """The optimizer as torch makes it when nobody asks for another way."""
    values = {name: value for name, value in optimizer.values.items() if name != "fused"}
    if "fused" in optimizer.values:
        values["fused"] = False
    return dataclasses.replace(optimizer, values=values)


def _loader(resolved: ResolvedRecipe, data: Data) -> DataLoader[Any]:
    transforms = [made for node in resolved.train_transforms for made in _as_in_a_tutorial(node, data)]
    lists = resolved.model.provider.about.computes_losses

    def collate(samples: list[Any]) -> Any:
        targets = as_mask(data.task.collate([target for _, target in samples]), samples[0][1])
        return collate_images([image for image, _ in samples], lists), targets

    return DataLoader(
        _Samples(data, [*transforms, *_TO_FLOAT]),
        batch_size=resolved.recipe.loader.batch_size,
        shuffle=True,
        drop_last=True,
        collate_fn=collate,
        generator=torch.Generator().manual_seed(resolved.recipe.seed % 2**63),
    )


class _Samples(Dataset[Any]):
    """A split's samples as PIL images, transformed one by one."""

    def __init__(self, data: Data, transforms: list[Callable[..., Any]]) -> None:
        self._view = data.views.train
        self._labels = self._view.labels()
        self._mode = "L" if data.info.channels == 1 else "RGB"
        self._transforms = transforms

    def __len__(self) -> int:
        return len(self._view)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image, target = self._read(index)
        for transform in self._transforms:
            image, target = transform(image, target)
        return image, target

    def _read(self, index: int) -> tuple[Image.Image, Any]:
        """A sample; what is a file of a known class is opened as a tutorial does."""
        file = Path(self._view.source_of(index))
        if self._labels is not None and file.is_file():
            with Image.open(file) as image:
                return image.convert(self._mode), int(self._labels[index])
        sample = self._view.sample(index)
        if isinstance(sample, BadSample):
            raise BadSampleError(sample.source, sample.reason)
        return F.to_pil_image(sample[0]), sample[1]


def _as_in_a_tutorial(node: Node, data: Data) -> list[Callable[..., Any]]:
    """The transforms of torchvision that stand for one of the recipe's.

    What a normalization subtracts makes no difference to its time, so none is measured for it.
    """
    name = node.provider.name.replace("_", "")
    if name == "tofloat":
        return [*_TO_FLOAT]
    if name == "normalize":
        half = [0.5] * data.info.channels
        return [*_TO_FLOAT, v2.Normalize(half, half)]
    if name in _IN_TORCHVISION:
        kind = _IN_TORCHVISION[name]
        known = inspect.signature(kind).parameters
        settings = map_nodes(node.values, lambda child: v2.Compose(_as_in_a_tutorial(child, data)))
        return [kind(**{key: _plain(key, value) for key, value in settings.items() if key in known})]
    return _one_by_one(node, data)


def _plain(key: str, value: Any) -> Any:
    return InterpolationMode(value) if key == "interpolation" else value


def _one_by_one(node: Node, data: Data) -> list[Callable[..., Any]]:
    """A transform that torchvision lacks, as it works on single samples, where it does."""
    transform = build(node, {"info": data.info, "statistics": data.statistics})
    pipeline = Pipeline([transform], 0, in_batches=False)
    numbers = itertools.count()

    def apply(image: Any, target: Any) -> Any:
        return pipeline.apply_to_samples([(image, target)], 0, [next(numbers)])[0]

    return [v2.ToImage(), apply] if pipeline.on_samples else []
