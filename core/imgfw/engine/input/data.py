"""The data of a run: read, cut, checked, and sent through its transforms once to see that they fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import torch

from imgfw.contract.dataset import ChannelStatistics, DatasetInfo, Splits
from imgfw.contract.errors import DataError, PluginError, Problem, RecipeError
from imgfw.contract.task import Task
from imgfw.engine.components import build
from imgfw.engine.console import Console
from imgfw.engine.input.bad_data import BadDataPolicy, Quarantine
from imgfw.engine.input.loading import Feeder, Fetcher
from imgfw.engine.input.pipeline import Pipeline
from imgfw.engine.input.placement import one_size_from
from imgfw.engine.input.splits import BadSample, SplitView, Views, cut_splits, measure_statistics
from imgfw.engine.input.target_check import without_bad_targets
from imgfw.engine.precision import device_type_of
from imgfw.recipe.nodes import Node
from imgfw.recipe.resolving import ResolvedRecipe


@dataclass
class Data:
    """The data of a run and what turns it into batches.

    Attributes:
        views: the splits.
        info: what is known of the data; the image size is the one that the model sees.
        task: the task.
        train_pipeline: the transforms of training.
        eval_pipeline: the transforms of evaluation and prediction.
        statistics: what was measured on the training data, if anything asked.
        policy: what is done with samples that cannot be used.
    """

    views: Views
    info: DatasetInfo
    task: Task
    train_pipeline: Pipeline
    eval_pipeline: Pipeline
    statistics: Statistics
    policy: BadDataPolicy


class Statistics:
    """Measures the training data when a transform asks, once.

    Args:
        measure: does it.
        known: what an earlier run measured.
    """

    def __init__(
        self, measure: Callable[[], ChannelStatistics], known: ChannelStatistics | None = None
    ) -> None:
        self._measure = measure
        self.value = known

    def __call__(self) -> ChannelStatistics:
        if self.value is None:
            self.value = self._measure()
        return self.value


def build_data(
    resolved: ResolvedRecipe,
    quarantine: Quarantine,
    known: ChannelStatistics | None = None,
    console: Console | None = None,
) -> Data:
    """Read the dataset, cut its splits, and check what can be checked before the first step.

    Args:
        resolved: the recipe.
        quarantine: the list of the samples that are left out.
        known: statistics that an earlier run measured.
        console: shows how the check of all targets goes; None: those in files are checked when they are read.

    Raises:
        DataError: the data is missing or wrong.
    """
    recipe = resolved.recipe
    splits = build(resolved.data, {})
    if not isinstance(splits, Splits):
        raise PluginError(f"data: {resolved.data.provider.qualified} returned no imgfw.Splits.")
    views = cut_splits(splits, recipe.split, recipe.seed)
    task: Task = build(resolved.task, {"info": views.info})
    sizes = {view.name: len(view) for view in (views.train, views.val, views.test) if view is not None}
    policy = BadDataPolicy(recipe.bad_data == "skip", recipe.max_bad_fraction, sizes, quarantine)
    workers = None if recipe.loader.num_workers == "auto" else recipe.loader.num_workers
    views = without_bad_targets(views, task, policy, console, workers)
    statistics = Statistics(lambda: measure_statistics(views.train, views.info.channels), known)
    offered = {"info": views.info, "statistics": statistics}
    lists = resolved.model.provider.about.computes_losses
    device_type = device_type_of(recipe.train.device)
    one_by_one = device_type != "cpu" and not views.train.in_batches
    batches_early = one_by_one and _collates_to_tensors(views.train, task)

    def pipeline(nodes: list[Node]) -> Pipeline:
        transforms = [build(node, offered) for node in nodes]
        return Pipeline(
            transforms,
            recipe.seed,
            views.train.in_batches,
            one_warp=recipe.transforms.warp == "opencv",
            device_type=device_type,
            one_size_from=one_size_from(nodes, transforms, views.info.image_size) if batches_early else None,
            ignore_index=views.info.ignore_index,
        )

    train, evaluation = pipeline(resolved.train_transforms), pipeline(resolved.eval_transforms)
    size = _probe(Fetcher(views.train, evaluation, task, lists), evaluation, views)
    _probe(Fetcher(views.train, train, task, lists), train, views)
    info = dataclasses.replace(views.info, image_size=size)
    _check_size(resolved, size)
    return Data(views, info, task, train, evaluation, statistics, policy)


def _collates_to_tensors(view: SplitView, task: Task) -> bool:
    """Whether a batch's targets are one tensor, which transforms of batches can move; boxes are not."""
    fetcher = Fetcher(view, Pipeline([], 0, in_batches=False), task, accepts_lists=True)
    batches = (fetcher[(0, [index])] for index in range(len(view)))
    targets = next((raw.targets for raw in batches if len(raw.indices)), None)
    return isinstance(targets, torch.Tensor)


def _probe(fetcher: Fetcher, pipeline: Pipeline, views: Views) -> tuple[int, int] | None:
    """Send the first usable samples through the transforms: the image size, None where sizes differ.

    Raises:
        DataError: no sample can be used, or the images have other channels than the dataset says.
    """
    feeder = Feeder(pipeline, torch.device("cpu"), torch.contiguous_format)
    bad: list[BadSample] = []
    sizes: set[tuple[int, int]] = set()
    for index in range(len(fetcher)):
        raw = fetcher[(0, [index])]
        bad.extend(raw.bad)
        if len(raw.indices):
            image = feeder.prepare(raw).images[0]
            if image.shape[0] != views.info.channels:
                raise DataError(
                    f"{views.train.source_of(index)} has {image.shape[0]} channels, "
                    f"but the dataset says {views.info.channels}."
                )
            sizes.add((image.shape[1], image.shape[2]))
        if index >= 1 and sizes:
            return sizes.pop() if len(sizes) == 1 else None
    if not sizes:
        raise DataError(
            f"No sample of the training data can be used; the first: {bad[0].source}: {bad[0].reason}."
        )
    return sizes.pop()


def _check_size(resolved: ResolvedRecipe, size: tuple[int, int] | None) -> None:
    provider = resolved.model.provider
    minimum = provider.about.min_size_with(resolved.model.settings)
    if minimum is not None and size is not None and min(size) < minimum:
        message = (
            f"images are {size[0]}x{size[1]} pixels, but {provider.name} needs at least {minimum}x{minimum}."
        )
        hint = f'Add {{"type": "resize", "size": [{minimum}, {minimum}]}} to the transforms.'
        raise RecipeError([Problem("transforms", message, hint, provider.qualified)], resolved.source.label)
