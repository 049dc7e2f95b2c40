"""What brings batches to a training: loaders that fetch them, feeders that bring them onto the device."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from imgfw.engine.input.data import Data
from imgfw.engine.input.device_decoding import DeviceDecoder
from imgfw.engine.input.loading import Feeder, Fetcher, choose_num_workers
from imgfw.engine.input.pipeline import Pipeline
from imgfw.engine.input.residence import Residence, fits
from imgfw.engine.input.splits import SplitView
from imgfw.engine.input.workers import BatchLoader
from imgfw.engine.precision import Precision
from imgfw.recipe.resolving import ResolvedRecipe


@dataclass(frozen=True)
class Supply:
    """The loaders and feeders of a run; evaluated splits by their names."""

    train_loader: BatchLoader
    train_feeder: Feeder
    eval_loaders: dict[str, BatchLoader]
    eval_feeder: Feeder


def build_supply(resolved: ResolvedRecipe, data: Data, precision: Precision) -> Supply:
    """Build what brings batches to the model, and note in the recipe what `auto` became."""
    workers = _num_workers(resolved, data, precision.device)
    train_loader, eval_loaders = _loaders(resolved, data, precision.device, workers)
    return Supply(
        train_loader=train_loader,
        train_feeder=_feeder(resolved, data.train_pipeline, precision),
        eval_loaders=eval_loaders,
        eval_feeder=_feeder(resolved, data.eval_pipeline, precision),
    )


def _num_workers(resolved: ResolvedRecipe, data: Data, device: torch.device) -> int:
    asked = resolved.recipe.loader.num_workers
    if asked != "auto":
        return asked
    view, whole = data.views.train, not data.train_pipeline.on_samples
    in_place = view.in_batches and (device.type == "cpu" or (whole and fits(view, device)))
    chosen = choose_num_workers(in_place, device)
    resolved.auto["loader.num_workers"] = chosen
    return chosen


def _feeder(resolved: ResolvedRecipe, pipeline: Pipeline, precision: Precision) -> Feeder:
    defers = resolved.recipe.loader.decode == "device"
    decoder = DeviceDecoder(pipeline, precision.device) if defers else None
    return Feeder(pipeline, precision.device, precision.memory_format, decoder)


def _loaders(
    resolved: ResolvedRecipe, data: Data, device: torch.device, workers: int
) -> tuple[BatchLoader, dict[str, BatchLoader]]:
    lists = resolved.model.provider.about.computes_losses
    defers = resolved.recipe.loader.decode == "device"
    prefetch, pin = resolved.recipe.loader.prefetch, device.type == "cuda"

    residence = Residence(device)

    def loader(view: SplitView, pipeline: Pipeline) -> BatchLoader:
        if workers == 0 and not pipeline.on_samples and fits(view, device):
            view = residence.of(view)
        return BatchLoader(Fetcher(view, pipeline, data.task, lists, defers), workers, prefetch, pin)

    views = data.views
    evaluated = {
        view.name: loader(view, data.eval_pipeline) for view in (views.val, views.test) if view is not None
    }
    return loader(views.train, data.train_pipeline), evaluated
