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
    device, defers = precision.device, resolved.recipe.loader.decode == "device"
    workers = _num_workers(resolved, data, device)
    lists = resolved.model.provider.about.computes_losses
    prefetch, pin = resolved.recipe.loader.prefetch, device.type == "cuda"
    residence = Residence(device, precision.memory_format)

    def placed(view: SplitView, pipeline: Pipeline) -> SplitView:
        in_place = workers == 0 and not pipeline.on_samples and (residence.has(view) or fits(view, device))
        return residence.of(view) if in_place else view

    def loader(view: SplitView, pipeline: Pipeline) -> BatchLoader:
        return BatchLoader(Fetcher(view, pipeline, data.task, lists, defers), workers, prefetch, pin)

    def feeder(pipeline: Pipeline, in_background: bool = False) -> Feeder:
        decoder = DeviceDecoder(pipeline, device) if defers else None
        return Feeder(pipeline, device, precision.memory_format, decoder, in_background)

    views, training, evaluation = data.views, data.train_pipeline, data.eval_pipeline
    trained = placed(views.train, training)  # before the others: what they take is missing then
    evaluated = [placed(view, evaluation) for view in (views.val, views.test) if view is not None]
    apart = workers > 0 or trained is not views.train
    return Supply(
        train_loader=loader(trained, training),
        train_feeder=feeder(training, may_be_in_background(resolved, device, apart)),
        eval_loaders={view.name: loader(view, evaluation) for view in evaluated},
        eval_feeder=feeder(evaluation),
    )


def may_be_in_background(resolved: ResolvedRecipe, device: torch.device, apart: bool) -> bool:
    """Whether a thread may make a GPU's training batches ready while the one that trains waits.

    Samples that are read in line are not, since a dataset and foreign transforms may draw from the
    generators that the model uses; and no other work may come between while CUDA graphs are recorded.

    Args:
        resolved: the recipe.
        device: where the model is.
        apart: whether no sample is read in this process.
    """
    return device.type == "cuda" and apart and not isinstance(resolved.recipe.train.compile, str)


def _num_workers(resolved: ResolvedRecipe, data: Data, device: torch.device) -> int:
    asked = resolved.recipe.loader.num_workers
    if asked != "auto":
        return asked
    view, whole = data.views.train, not data.train_pipeline.on_samples
    in_place = view.in_batches and (device.type == "cpu" or (whole and fits(view, device)))
    chosen = choose_num_workers(in_place, device)
    resolved.auto["loader.num_workers"] = chosen
    return chosen
