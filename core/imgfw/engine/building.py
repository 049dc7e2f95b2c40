"""From a checked recipe to the objects of a run: data, model, loss, optimizer and the rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from imgfw.contract.callback import Callback, Plan
from imgfw.contract.dataset import ChannelStatistics, DatasetInfo, Splits
from imgfw.contract.errors import DataError, ImgfwError, PluginError, Problem, RecipeError
from imgfw.contract.task import Task
from imgfw.engine import distributed
from imgfw.engine.criterion import Criterion
from imgfw.engine.generators import seed_all
from imgfw.engine.loading import (
    BadDataPolicy,
    BatchLoader,
    BatchPlan,
    Feeder,
    Fetcher,
    Job,
    choose_num_workers,
)
from imgfw.engine.parameters import freeze, parameter_groups
from imgfw.engine.pipeline import Pipeline
from imgfw.engine.precision import Precision, choose_precision
from imgfw.engine.schedule import Schedule
from imgfw.engine.splits import BadSample, SplitView, Views, cut_splits, find_bad_targets, measure_statistics
from imgfw.recipe.checking import monitors, reported_metrics, with_inner
from imgfw.recipe.resolving import Node, ResolvedRecipe, map_nodes
from imgfw.recipe.schema import ModelCore, OptimizerCore, SchedulerCore


def build(node: Node, offered: Mapping[str, Any]) -> Any:
    """Call a provider with what it asks for and what the recipe gives, its components built first.

    Args:
        node: the component.
        offered: what imgfw offers, by parameter name.

    Raises:
        RecipeError: the provider refuses its settings (ValueError).
        PluginError: the provider fails otherwise.
    """
    provider = node.provider
    given = [offered[name] for name in provider.asks_for]
    settings = map_nodes(node.values, lambda child: build(child, offered))
    try:
        return provider.factory(*given, **settings)
    except ImgfwError:
        raise
    except ValueError as error:
        raise RecipeError([Problem(node.path, str(error), provider=provider.qualified)]) from error
    except Exception as error:
        raise PluginError(
            f"{node.path}: {provider.qualified} failed: {type(error).__name__}: {error}",
            "IMGFW_DEBUG=1 shows where.",
        ) from error


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
    resolved: ResolvedRecipe, note_bad: Callable[[BadSample], None], known: ChannelStatistics | None = None
) -> Data:
    """Read the dataset, cut its splits, and check what can be checked at once.

    Args:
        resolved: the recipe.
        note_bad: called with each sample that is left out.
        known: statistics that an earlier run measured.

    Raises:
        DataError: the data is missing or wrong.
    """
    recipe = resolved.recipe
    splits = build(resolved.data, {})
    if not isinstance(splits, Splits):
        raise PluginError(f"data: {resolved.data.provider.qualified} returned no imgfw.Splits.")
    views = cut_splits(splits, recipe.split, recipe.seed)
    task: Task = build(resolved.task, {"info": views.info})
    policy = BadDataPolicy(recipe.bad_data == "skip", note_bad)
    views = _without_bad_targets(views, task, policy)
    statistics = Statistics(lambda: measure_statistics(views.train, views.info.channels), known)
    offered = {"info": views.info, "statistics": statistics}
    train, evaluation = (
        Pipeline([build(node, offered) for node in nodes], recipe.seed, views.train.in_batches)
        for nodes in (resolved.train_transforms, resolved.eval_transforms)
    )
    lists = resolved.model.provider.about.computes_losses
    size = _probe(Fetcher(views.train, evaluation, task, lists), evaluation, views)
    _probe(Fetcher(views.train, train, task, lists), train, views)
    info = dataclasses.replace(views.info, image_size=size)
    _check_size(resolved, size)
    return Data(views, info, task, train, evaluation, statistics, policy)


def _without_bad_targets(views: Views, task: Task, policy: BadDataPolicy) -> Views:
    """Check the targets of data in memory, all at once; other data is checked when it is read."""

    def checked(view: SplitView | None) -> SplitView | None:
        if view is None or not view.in_batches:
            return view
        bad = find_bad_targets(view, task)
        policy.handle(bad)
        return view.without([sample.index for sample in bad]) if bad else view

    train = checked(views.train)
    assert train is not None
    return Views(train, checked(views.val), checked(views.test), views.info)


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
        if raw.indices:
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
    minimum = provider.about.min_size
    if minimum is not None and size is not None and min(size) < minimum:
        message = (
            f"images are {size[0]}x{size[1]} pixels, but {provider.name} needs at least {minimum}x{minimum}."
        )
        hint = f'Add {{"type": "resize", "size": [{minimum}, {minimum}]}} to the transforms.'
        raise RecipeError([Problem("transforms", message, hint, provider.qualified)], resolved.source.label)


def build_model(resolved: ResolvedRecipe, info: DatasetInfo) -> nn.Module:
    """Build the model from the run's seed, and freeze what the recipe freezes."""
    seed_all(resolved.recipe.seed)
    model = build(resolved.model, {"info": info})
    if not isinstance(model, nn.Module):
        raise PluginError(f"model: {resolved.model.provider.qualified} returned no torch.nn.Module.")
    core = resolved.model.core
    if isinstance(core, ModelCore) and core.freeze is not None:
        freeze(model, core.freeze, resolved.model.provider.about.head)
    return model


def settle_precision(resolved: ResolvedRecipe, model: nn.Module, device: torch.device) -> Precision:
    """Choose the number formats, and note in the recipe what `auto` became."""
    train = resolved.recipe.train
    precision = choose_precision(device, train.precision, train.channels_last, model)
    if train.precision == "auto":
        resolved.auto["train.precision"] = precision.name
    if train.channels_last == "auto":
        resolved.auto["train.channels_last"] = precision.memory_format == torch.channels_last
    if train.device == "auto":
        resolved.auto["train.device"] = device.type
    return precision


def build_metrics(resolved: ResolvedRecipe, data: Data, device: torch.device) -> list[tuple[Node, Any]]:
    """Build the metrics."""
    built = [(node, build(node, {"info": data.info})) for node in resolved.metrics]
    return [(node, metric.to(device)) for node, metric in built]


@dataclass
class Parts:
    """Everything that a training run is made of.

    Attributes:
        model: the model; `forward` is what is called: the same, maybe compiled and in several processes.
        plan: how long it takes.
        jobs: which samples are in which batch.
    """

    resolved: ResolvedRecipe
    data: Data
    precision: Precision
    model: nn.Module
    forward: nn.Module
    criterion: Criterion
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    scaler: torch.amp.GradScaler
    callbacks: list[Callback]
    metrics: list[tuple[Node, Any]]
    plan: Plan
    batches: BatchPlan
    train_loader: BatchLoader
    train_feeder: Feeder
    eval_loaders: dict[str, BatchLoader]
    eval_feeder: Feeder

    @property
    def computes_losses(self) -> bool:
        """Whether the model computes its losses itself, from images and targets."""
        return self.resolved.model.provider.about.computes_losses

    def eval_jobs(self, split: str) -> list[Job]:
        """The jobs of an evaluation, this process's share: every sample once, none twice."""
        loader = self.resolved.recipe.loader
        view = self.view(split)
        world = distributed.world_size()
        size = max((loader.eval_batch_size or loader.batch_size) // world, 1)
        mine = list(range(distributed.rank(), len(view), world))
        return [(0, mine[start : start + size]) for start in range(0, len(mine), size)]

    def view(self, split: str) -> SplitView:
        """A split by its name."""
        view = getattr(self.data.views, split)
        assert isinstance(view, SplitView)
        return view


def build_parts(resolved: ResolvedRecipe, data: Data, device: torch.device) -> Parts:
    """Build the model and all that trains it.

    Raises:
        RecipeError: parts refuse their settings.
    """
    model = build_model(resolved, data.info)
    precision = settle_precision(resolved, model, device)
    model.to(device).to(memory_format=precision.memory_format)
    about = resolved.model.provider.about
    _refuse_coupled_loss(resolved)
    loss = build(resolved.loss, {"info": data.info, "model": model})
    batches = _batch_plan(resolved, data)
    plan = _plan(resolved, batches)
    optimizer = _optimizer(resolved, data, model)
    offered = {"info": data.info, "optimizer": optimizer, "plan": plan}
    scheduler = build(resolved.scheduler, offered)
    core = resolved.scheduler.core
    assert isinstance(core, SchedulerCore)
    wants_metric = resolved.scheduler.provider.about.wants_metric
    monitor = next(iter(monitors(resolved.scheduler).values())) if wants_metric else None
    workers = _num_workers(resolved, data, device)
    train_loader, eval_loaders = _loaders(resolved, data, device, workers)
    return Parts(
        resolved=resolved,
        data=data,
        precision=precision,
        model=model,
        forward=_wrap(model, resolved, device),
        criterion=Criterion(loss, about.auxiliary),
        optimizer=optimizer,
        schedule=Schedule(scheduler, optimizer, plan, core, monitor),
        scaler=precision.make_scaler(),
        callbacks=[build(node, {"info": data.info}) for node in resolved.callbacks],
        metrics=build_metrics(resolved, data, device),
        plan=plan,
        batches=batches,
        train_loader=train_loader,
        train_feeder=Feeder(data.train_pipeline, device, precision.memory_format),
        eval_loaders=eval_loaders,
        eval_feeder=Feeder(data.eval_pipeline, device, precision.memory_format),
    )


def _refuse_coupled_loss(resolved: ResolvedRecipe) -> None:
    """A loss that depends on the whole batch at once cannot be computed by several processes."""
    for node in with_inner(resolved.loss):
        if node.provider.about.couples_batch and distributed.world_size() > 1:
            message = f"{node.provider.name} depends on the whole batch at once: it needs a single process."
            raise RecipeError([Problem(node.path, message)], resolved.source.label)


def _batch_plan(resolved: ResolvedRecipe, data: Data) -> BatchPlan:
    loader, train = resolved.recipe.loader, resolved.recipe.train
    return BatchPlan(
        len(data.views.train),
        loader.batch_size,
        accumulate=train.accumulate,
        seed=resolved.recipe.seed,
        drop_last=loader.drop_last,
        rank=distributed.rank(),
        world_size=distributed.world_size(),
    )


def _plan(resolved: ResolvedRecipe, batches: BatchPlan) -> Plan:
    train = resolved.recipe.train
    steps_per_epoch = batches.steps_per_epoch
    total_steps = train.steps or (train.epochs or 0) * steps_per_epoch
    modes = reported_metrics(resolved)
    return Plan(total_steps, steps_per_epoch, -(-total_steps // steps_per_epoch), modes)


def _optimizer(resolved: ResolvedRecipe, data: Data, model: nn.Module) -> torch.optim.Optimizer:
    core = resolved.optimizer.core
    assert isinstance(core, OptimizerCore)
    groups = parameter_groups(model, core.decay_norm_and_bias)
    optimizer = build(resolved.optimizer, {"info": data.info, "parameters": groups, "model": model})
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise PluginError(
            f"optimizer: {resolved.optimizer.provider.qualified} returned no torch.optim.Optimizer."
        )
    return optimizer


def _num_workers(resolved: ResolvedRecipe, data: Data, device: torch.device) -> int:
    asked = resolved.recipe.loader.num_workers
    if asked != "auto":
        return asked
    chosen = choose_num_workers(data.views.train.in_batches, device)
    resolved.auto["loader.num_workers"] = chosen
    return chosen


def _loaders(
    resolved: ResolvedRecipe, data: Data, device: torch.device, workers: int
) -> tuple[BatchLoader, dict[str, BatchLoader]]:
    lists = resolved.model.provider.about.computes_losses
    prefetch, pin = resolved.recipe.loader.prefetch, device.type == "cuda"

    def loader(view: SplitView, pipeline: Pipeline) -> BatchLoader:
        return BatchLoader(Fetcher(view, pipeline, data.task, lists), workers, prefetch, pin)

    views = data.views
    evaluated = {
        view.name: loader(view, data.eval_pipeline) for view in (views.val, views.test) if view is not None
    }
    return loader(views.train, data.train_pipeline), evaluated


def _wrap(model: nn.Module, resolved: ResolvedRecipe, device: torch.device) -> nn.Module:
    forward: Any = model
    if resolved.recipe.train.compile:
        forward = torch.compile(forward)
    if distributed.world_size() > 1:
        devices = [device.index or 0] if device.type == "cuda" else None
        forward = nn.parallel.DistributedDataParallel(forward, device_ids=devices)
    return forward  # type: ignore[no-any-return]
