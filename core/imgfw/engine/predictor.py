"""Prediction with a finished run's best model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from imgfw.catalog.catalog import Catalog
from imgfw.contract.dataset import ChannelStatistics, DatasetInfo
from imgfw.contract.errors import BadSampleError, DataError
from imgfw.contract.task import Task
from imgfw.engine.building import build_model, settle_precision
from imgfw.engine.components import build
from imgfw.engine.criterion import split_outputs
from imgfw.engine.input.data import Statistics
from imgfw.engine.input.images import read_image
from imgfw.engine.input.loading import collate_images
from imgfw.engine.input.pipeline import Pipeline
from imgfw.engine.input.splits import LeastSize
from imgfw.engine.precision import Precision, choose_device
from imgfw.engine.saving.past_run import load_best, recipe_of, statistics_of
from imgfw.engine.saving.run_folder import RunFolder

Image = str | Path | Tensor | Any


class Predictor:
    """The best model of a run with the preprocessing that it was trained for.

    Attributes:
        info: what the model knows of its data: the classes, the channels, the image size.
        model: the model, in evaluation mode.
    """

    def __init__(
        self, model: nn.Module, task: Task, pipeline: Pipeline, precision: Precision, about: Any
    ) -> None:
        self.model = model
        self.info = task.info
        self._task = task
        self._pipeline = pipeline
        self._precision = precision
        self._about = about

    def predict(self, images: Sequence[Image], *, batch_size: int = 32) -> list[dict[str, Any]]:
        """Predict images.

        Args:
            images: paths, uint8 tensors `[C, H, W]` or PIL images.
            batch_size: how many the model gets at a time.

        Returns:
            one dict an image, as the task describes its predictions: `label`, `probability` and
            `probabilities` for classification.

        Raises:
            BadSampleError: an image cannot be read; its file is named.
            DataError: an image has other channels than those that the model was trained on.
        """
        records: list[dict[str, Any]] = []
        for record in self.predict_readable(images, batch_size=batch_size):
            if isinstance(record, BadSampleError):
                raise record
            records.append(record)
        return records

    def predict_readable(
        self, images: Sequence[Image], *, batch_size: int = 32
    ) -> Iterator[dict[str, Any] | BadSampleError]:
        """Predict images as `predict` does, but go on after one that cannot be read.

        Yields:
            for each image, in order, its dict, or what is wrong with it.

        Raises:
            DataError: an image has other channels than those that the model was trained on.
        """
        for start in range(0, len(images), batch_size):
            found = self._read(images[start : start + batch_size])
            records = iter(self._predict_alike([image for image in found if isinstance(image, Tensor)]))
            yield from (image if isinstance(image, BadSampleError) else next(records) for image in found)

    def _read(self, images: Sequence[Image]) -> list[Tensor | BadSampleError]:
        """Read images and send them through the transforms on samples, as in evaluation."""
        leads = self._pipeline.leads(0, range(len(images))) if self._task.of_whole_images else None
        asked: Sequence[LeastSize | None] = leads or [None] * len(images)
        found = [self._as_tensor(item, lead) for item, lead in zip(images, asked, strict=True)]
        readable = [place for place, image in enumerate(found) if isinstance(image, Tensor)]
        samples = [(found[place], None) for place in readable]
        theirs = leads and [leads[place] for place in readable]
        for place, (image, _) in zip(
            readable, self._pipeline.apply_to_samples(samples, 0, readable, theirs), strict=True
        ):
            found[place] = image
        return found

    def _predict_alike(self, images: list[Tensor]) -> list[dict[str, Any]]:
        """Predict images at once, or one by one where the model wants images of one size, and they differ."""
        sizes = {tuple(image.shape) for image in images}
        if len(sizes) > 1 and not self._about.computes_losses:
            return [record for image in images for record in self._predict_batch([image])]
        return self._predict_batch(images) if images else []

    def _predict_batch(self, images: list[Tensor]) -> list[dict[str, Any]]:
        batch = collate_images(images, accepts_lists=True)
        indices = range(len(images))
        moved = [image.to(self._precision.device) for image in batch]
        batch = torch.stack(moved) if isinstance(batch, Tensor) else moved
        batch, _ = self._pipeline.apply_to_batch(batch, None, 0, indices, [])
        if isinstance(batch, Tensor):
            batch = batch.contiguous(memory_format=self._precision.memory_format)
        with torch.inference_mode(), self._precision.autocast():
            outputs, _ = split_outputs(self.model(batch), self._about.auxiliary)
            return self._task.records(self._task.predictions(outputs))

    def _as_tensor(self, image: Image, least_size: LeastSize | None) -> Tensor | BadSampleError:
        if isinstance(image, str | Path):
            try:
                read: Tensor = read_image(image, channels=self.info.channels, least_size=least_size)
            except BadSampleError as error:
                return error
            return read
        tensor = image if isinstance(image, Tensor) else F.pil_to_tensor(image)
        if tensor.dtype != torch.uint8 or tensor.ndim != 3 or tensor.shape[0] != self.info.channels:
            raise DataError(
                f"An image is {tensor.dtype} of shape {tuple(tensor.shape)}, but the model takes uint8 "
                f"[{self.info.channels}, H, W].",
                "Give files instead, which are converted.",
            )
        wrapped: Tensor = tv_tensors.Image(tensor)
        return wrapped


def load(folder: str | Path, *, catalog: Catalog | None = None) -> Predictor:
    """Load the best model of a run.

    Args:
        folder: the run's.
        catalog: the plugins to use; by default those installed.

    Raises:
        UsageError: there is no run in the folder.
        DataError: the checkpoint is damaged.
    """
    opened = RunFolder.open(folder, writes=False)
    resolved = recipe_of(opened, catalog)
    best = load_best(opened)
    info = _info(best.state["info"])
    statistics = Statistics(_unmeasured, statistics_of(best.state))
    offered = {"info": info, "statistics": statistics}
    transforms = [build(node, offered) for node in resolved.eval_transforms]
    task: Task = build(resolved.task, {"info": info})
    model = build_model(resolved, info, best)
    device = choose_device(resolved.recipe.train.device)
    precision = settle_precision(resolved, model, device, info.image_size)
    model.to(device).to(memory_format=precision.memory_format).eval()
    pipeline = Pipeline(
        transforms,
        resolved.recipe.seed,
        in_batches=False,
        one_warp=resolved.recipe.transforms.warp == "opencv",
        ignore_index=info.ignore_index,
    )
    return Predictor(model, task, pipeline, precision, resolved.model.provider.about)


def _info(saved: Mapping[str, Any]) -> DatasetInfo:
    return DatasetInfo(**saved)


def _unmeasured() -> ChannelStatistics:
    raise DataError("The checkpoint lacks the statistics of its training data.", "Train again.")
