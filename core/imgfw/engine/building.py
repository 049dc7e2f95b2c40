"""From a checked recipe and its data to the objects that train: model, loss, optimizer and the rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import nn

from imgfw.contract.callback import Callback, Plan
from imgfw.contract.dataset import DatasetInfo
from imgfw.contract.errors import PluginError, Problem, RecipeError
from imgfw.engine import distributed
from imgfw.engine.averaging import WeightAverage
from imgfw.engine.compilation import compiled
from imgfw.engine.components import build
from imgfw.engine.criterion import Criterion, split_outputs
from imgfw.engine.generators import seed_all
from imgfw.engine.input.batch_plan import BatchPlan
from imgfw.engine.input.data import Data
from imgfw.engine.input.device_decoding import refuse_what_cannot_be_decoded
from imgfw.engine.input.loading import Feeder, Fetcher
from imgfw.engine.input.splits import SplitView
from imgfw.engine.input.supply import build_supply
from imgfw.engine.input.workers import BatchLoader, Job, serving
from imgfw.engine.parameters import freeze, parameter_groups, trains_batch_norm
from imgfw.engine.precision import Precision, choose_precision
from imgfw.engine.recomputation import recompute_blocks
from imgfw.engine.saving.checkpoint import Checkpoint, restore_weights
from imgfw.engine.schedule import Schedule
from imgfw.recipe.checking import monitors, reported_metrics, with_inner
from imgfw.recipe.nodes import Node
from imgfw.recipe.resolving import ResolvedRecipe
from imgfw.recipe.schema import ModelCore, OptimizerCore, SchedulerCore


def build_model(resolved: ResolvedRecipe, info: DatasetInfo, saved: Checkpoint | None = None) -> nn.Module:
    """Build the model from the run's seed, and freeze what the recipe freezes.

    Args:
        resolved: the recipe.
        info: what is known of the data.
        saved: a checkpoint whose weights it gets. Nothing is then downloaded, and no file of weights is
            needed: the settings that choose what to start from, `pretrained…`, count as false.
    """
    seed_all(resolved.recipe.seed)
    node = resolved.model if saved is None else _without_pretrained(resolved.model)
    model = build(node, {"info": info})
    if not isinstance(model, nn.Module):
        raise PluginError(f"model: {resolved.model.provider.qualified} returned no torch.nn.Module.")
    if any(nn.parameter.is_lazy(parameter) for parameter in model.parameters()):
        raise PluginError(
            f"model: {resolved.model.provider.qualified} has lazy layers: their parameters have no shape.",
            "Its author can compute the shapes from info: channels, image_size, num_classes.",
        )
    core = resolved.model.core
    if isinstance(core, ModelCore) and core.freeze is not None:
        freeze(model, core.freeze, resolved.model.provider.about.head_of(model))
    if saved is not None:
        restore_weights(model, saved.model)
        trainable = set(saved.state["trainable"])
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in trainable)
    return model


def _without_pretrained(node: Node) -> Node:
    def change(name: str, value: Any) -> Any:
        if isinstance(value, Node) and value.provider.kind.name == "models":
            return _without_pretrained(value)
        return False if name.startswith("pretrained") else value

    return dataclasses.replace(node, values={name: change(name, item) for name, item in node.values.items()})


def settle_precision(
    resolved: ResolvedRecipe, model: nn.Module, device: torch.device, image_size: tuple[int, int] | None
) -> Precision:
    """Choose the number formats, and note in the recipe what `auto` became."""
    train = resolved.recipe.train
    pixels = pixels_of_micro_batch(resolved, image_size)
    precision = choose_precision(device, train.precision, train.channels_last, model, pixels)
    if train.precision == "auto":
        resolved.auto["train.precision"] = precision.name
    if train.channels_last == "auto":
        resolved.auto["train.channels_last"] = precision.memory_format == torch.channels_last
    if train.device == "auto":
        resolved.auto["train.device"] = device.type
    if device.type == "cuda" and precision.name != "fp32":
        torch.set_float32_matmul_precision("high")  # TF32 for what autocast leaves in fp32
    return precision


def pixels_of_micro_batch(resolved: ResolvedRecipe, image_size: tuple[int, int] | None) -> int | None:
    """Pixels of all images that the model gets at once in a process; None where they differ in size."""
    if image_size is None:
        return None
    recipe = resolved.recipe
    samples = recipe.loader.batch_size // recipe.train.accumulate // distributed.world_size()
    return samples * image_size[0] * image_size[1]


def build_metrics(resolved: ResolvedRecipe, data: Data, device: torch.device) -> list[tuple[Node, Any]]:
    """Build the metrics."""
    built = [(node, build(node, {"info": data.info})) for node in resolved.metrics]
    return [(node, metric.to(device)) for node, metric in built]


@dataclass
class Parts:
    """Everything that a training run is made of.

    Attributes:
        model: the model; `forward` is what is called: the same, maybe compiled and in several processes.
        average: the moving average of its weights, where the recipe wants one.
        plan: how long it takes.
        jobs: which samples are in which batch.
    """

    resolved: ResolvedRecipe
    data: Data
    precision: Precision
    model: nn.Module
    forward: nn.Module
    average: WeightAverage | None
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
    def evaluated(self) -> nn.Module:
        """The model that is evaluated, and saved as the run's result."""
        return self.model if self.average is None else self.average.model

    @cached_property
    def computes_losses(self) -> bool:
        """Whether the model computes its losses itself, from images and targets."""
        return self.resolved.model.provider.about.computes_losses

    def eval_jobs(self, split: str) -> list[Job]:
        """The jobs of an evaluation, this process's share: every sample once, none twice.

        Every process gets the same number of jobs, since all of them ask together whether to stop; a job may
        have no samples.
        """
        loader = self.resolved.recipe.loader
        view = self.view(split)
        world = distributed.world_size()
        size = max((loader.eval_batch_size or loader.batch_size) // world, 1)
        mine = list(range(distributed.rank(), len(view), world))
        largest_share = -(-len(view) // world)
        return [(0, mine[start : start + size]) for start in range(0, largest_share, size)]

    @contextmanager
    def supplied(self) -> Iterator[None]:
        """Use the loaders: what fetches batches, processes and a thread, ends with the context.

        Raises:
            DataError: a worker died; it says what it read.
        """
        with serving([self.train_loader, *self.eval_loaders.values()]), closing(self.train_feeder):
            yield

    def view(self, split: str) -> SplitView:
        """A split by its name."""
        view = getattr(self.data.views, split)
        assert isinstance(view, SplitView)
        return view


def build_parts(
    resolved: ResolvedRecipe, data: Data, device: torch.device, saved: Checkpoint | None = None
) -> Parts:
    """Build the model and all that trains it; they get a checkpoint's weights, where one is given.

    Raises:
        RecipeError: parts refuse their settings.
    """
    refuse_what_cannot_be_decoded(resolved, data, device)
    model = build_model(resolved, data.info, saved)
    precision = settle_precision(resolved, model, device, data.info.image_size)
    model.to(device).to(memory_format=precision.memory_format)
    average = _average(resolved, model, saved)
    about = resolved.model.provider.about
    _refuse_coupled_loss(resolved)
    _refuse_missing_monitors(resolved, data)
    loss = build(resolved.loss, {"info": data.info, "model": model})
    batches = batch_plan(resolved, data, smallest=2 if trains_batch_norm(model) else 1)
    plan = _plan(resolved, batches)
    optimizer = _optimizer(resolved, data, model)
    offered = {"info": data.info, "optimizer": optimizer, "plan": plan}
    scheduler = build(resolved.scheduler, offered)
    core = resolved.scheduler.core
    assert isinstance(core, SchedulerCore)
    wants_metric = resolved.scheduler.provider.about.wants_metric
    monitor = next(iter(monitors(resolved.scheduler).values())) if wants_metric else None
    supply = build_supply(resolved, data, precision)
    return Parts(
        resolved=resolved,
        data=data,
        precision=precision,
        model=model,
        forward=_wrap(model, resolved, device),
        average=average,
        criterion=Criterion(loss, about.auxiliary),
        optimizer=optimizer,
        schedule=Schedule(scheduler, optimizer, plan, core, monitor),
        scaler=precision.make_scaler(),
        callbacks=[_callback(node, data) for node in resolved.callbacks],
        metrics=build_metrics(resolved, data, device),
        plan=plan,
        batches=batches,
        train_loader=supply.train_loader,
        train_feeder=supply.train_feeder,
        eval_loaders=supply.eval_loaders,
        eval_feeder=supply.eval_feeder,
    )


def try_model(parts: Parts) -> None:
    """Send one training image through the model as it is evaluated, to find what cannot work in seconds.

    Raises:
        RecipeError: the model cannot take the images, or what it returns does not fit the task.
    """
    node, about = parts.resolved.model, parts.resolved.model.provider.about
    view = parts.data.views.train
    fetcher = Fetcher(view, parts.data.eval_pipeline, parts.data.task, about.computes_losses)
    raw = next(batch for batch in (fetcher[(0, [index])] for index in range(len(view))) if len(batch.indices))
    images = parts.eval_feeder.prepare(raw).images
    model = parts.evaluated.eval()
    try:
        with torch.inference_mode(), parts.precision.autocast():
            outputs, _ = split_outputs(model(images), about.auxiliary)
        wrong = parts.data.task.check_outputs(outputs)
    except Exception as error:  # a model is a plugin's code and may raise anything
        wrong = f"it cannot take images {list(images[0].shape)}: {type(error).__name__}: {error}"
    if wrong:
        problem = Problem(node.path, f"does not fit the data: {wrong}.", "", node.provider.qualified)
        raise RecipeError([problem], parts.resolved.source.label)


def _average(resolved: ResolvedRecipe, model: nn.Module, saved: Checkpoint | None) -> WeightAverage | None:
    """Set the average of the weights up; from a checkpoint, whose weights are the average, the model gets
    those that were trained."""
    decay = resolved.recipe.train.ema_decay
    known = saved.state.get("average") if saved is not None else None
    average = None if decay is None else WeightAverage(model, decay, known["steps"] if known else 0)
    if known is not None:
        restore_weights(model, known["trained"])
    return average


def _refuse_coupled_loss(resolved: ResolvedRecipe) -> None:
    """A loss that depends on the whole batch at once cannot be computed by several processes."""
    for node in with_inner(resolved.loss):
        if node.provider.about.couples_batch and distributed.world_size() > 1:
            message = f"{node.provider.name} depends on the whole batch at once: it needs a single process."
            raise RecipeError([Problem(node.path, message)], resolved.source.label)


def _refuse_missing_monitors(resolved: ResolvedRecipe, data: Data) -> None:
    """Without a validation split nothing named `val/…` is measured."""
    if data.views.val is not None:
        return
    named = [
        (f"{node.path}.{setting}", value)
        for node in (resolved.scheduler, *resolved.callbacks)
        for setting, value in monitors(node).items()
    ]
    named.append(("checkpoint.monitor", resolved.recipe.checkpoint.monitor or ""))
    problems = [
        Problem(
            path, f'"{value}" is not measured, since there is no validation split.', "Set split.val_fraction."
        )
        for path, value in named
        if value.startswith("val/")
    ]
    if problems:
        raise RecipeError(problems, resolved.source.label)


def batch_plan(resolved: ResolvedRecipe, data: Data, smallest: int = 1) -> BatchPlan:
    """Which samples are in which batch of this process.

    Args:
        resolved: the recipe.
        data: the data.
        smallest: samples of the smallest micro-batch that the model can train with.
    """
    loader, train = resolved.recipe.loader, resolved.recipe.train
    return BatchPlan(
        len(data.views.train),
        loader.batch_size,
        accumulate=train.accumulate,
        seed=resolved.recipe.seed,
        drop_last=loader.drop_last,
        smallest=smallest,
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
    for name, asked in resolved.optimizer.values.items():
        used = optimizer.defaults.get(name)
        if asked == "auto" and isinstance(used, bool):
            resolved.auto[f"optimizer.{name}"] = used
    return optimizer


def _callback(node: Node, data: Data) -> Callback:
    callback = build(node, {"info": data.info})
    if not isinstance(callback, Callback):
        raise PluginError(f"{node.path}: {node.provider.qualified} returned no imgfw.Callback.")
    return callback


def _wrap(model: nn.Module, resolved: ResolvedRecipe, device: torch.device) -> nn.Module:
    if resolved.recipe.train.activation_checkpointing:
        recompute_blocks(model)
    forward = compiled(model, resolved.recipe.train.compile, device)
    if distributed.world_size() > 1:
        devices = [device.index or 0] if device.type == "cuda" else None
        forward = nn.parallel.DistributedDataParallel(forward, device_ids=devices)
    return forward
