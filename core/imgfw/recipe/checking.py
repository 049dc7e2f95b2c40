"""What can be wrong with a resolved recipe before any data is read: parts that don't fit each other."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from inspect import isclass
from typing import TYPE_CHECKING, Any, get_args

from imgfw.catalog.suggest import did_you_mean
from imgfw.contract.about import Mode, Size
from imgfw.contract.constraints import MonitorName
from imgfw.contract.dataset import DatasetDescription
from imgfw.contract.errors import Problem, RecipeError
from imgfw.contract.task import Task
from imgfw.contract.transform import Transform
from imgfw.recipe.nodes import Node, map_nodes
from imgfw.recipe.resolving import ResolvedRecipe, try_to_resolve
from imgfw.recipe.schema import SchedulerCore

if TYPE_CHECKING:
    from imgfw.catalog.catalog import Catalog
    from imgfw.recipe.reading import Source


@dataclass(frozen=True)
class Checked:
    """A recipe that passed every check that needs no data.

    Attributes:
        recipe: the resolved recipe.
        warnings: what is allowed but hardly meant.
    """

    recipe: ResolvedRecipe
    warnings: list[Problem]


def check(source: Source, catalog: Catalog, *, trains: bool = True) -> Checked:
    """Resolve a recipe and check that its parts fit each other.

    Args:
        source: the recipe.
        catalog: the plugins to use.
        trains: whether it will be trained; else what only training needs, on this machine, may be missing.

    Raises:
        RecipeError: holding everything that is wrong.
        PluginError: a plugin that the recipe lists is missing or broken.
    """
    resolved, problems = try_to_resolve(source, catalog)
    wrong = {re.split(r"[.\[]", problem.path)[0] for problem in problems}
    for find, looks_at in (*_CHECKS, *(_CHECKS_OF_TRAINING if trains else ())):
        if not wrong & looks_at:
            problems.extend(find(resolved))
    if problems:
        raise RecipeError(problems, source.label)
    return Checked(resolved, [*resolved.notes, *_contrary_modes(resolved), *_double_normalization(resolved)])


def reported_metrics(resolved: ResolvedRecipe) -> dict[str, Mode]:
    """Everything that a run of the recipe measures and that may be monitored, and which way is better."""
    reported: dict[str, Mode] = {"train/loss": "min"}
    if not resolved.loss.provider.about.sums_own_losses:
        reported["val/loss"] = "min"
    for metric in resolved.metrics:
        results = metric.provider.about.results
        if results is None:
            reported[f"val/{metric.provider.name}"] = "max"
            continue
        for name, mode in results(metric.settings).items():
            reported[f"val/{name}"] = mode
    return reported


def default_monitor(resolved: ResolvedRecipe) -> str:
    """What `best` goes by when the recipe names nothing: the first metric, else the validation loss."""
    losses = ("val/loss", "train/loss")
    reported = reported_metrics(resolved)
    names = [name for name in reported if name not in losses]
    return names[0] if names else next(name for name in losses if name in reported)


def aim_of(resolved: ResolvedRecipe) -> tuple[str, Mode]:
    """What `best` goes by, and whether more or less of it is better."""
    section = resolved.recipe.checkpoint
    monitor = section.monitor or default_monitor(resolved)
    return monitor, section.mode or reported_metrics(resolved)[monitor]


def _all_nodes(resolved: ResolvedRecipe) -> Iterator[Node]:
    singles = [resolved.data, resolved.model, resolved.loss, resolved.optimizer, resolved.scheduler]
    transforms = [*resolved.train_transforms, *resolved.eval_transforms]
    for node in (*singles, *transforms, *resolved.metrics, *resolved.callbacks):
        yield from with_inner(node)


def with_inner(node: Node) -> Iterator[Node]:
    """A component and those that its settings hold."""
    inner: list[Node] = []
    map_nodes(node.values, inner.append)
    yield node
    for child in inner:
        yield from with_inner(child)


def _wrong_tasks(resolved: ResolvedRecipe) -> Iterator[Problem]:
    task = resolved.task.provider.name
    for node in _all_nodes(resolved):
        tasks = node.provider.about.tasks
        if tasks and task not in tasks and resolved.task.provider.qualified not in tasks:
            yield Problem(
                node.path,
                f"the {node.provider.kind.singular} {node.provider.name} is for {' and '.join(tasks)}, "
                f"but the task is {task}.",
                f"See: imgfw list {node.provider.kind.name}",
                node.provider.qualified,
            )


def _wrong_losses(resolved: ResolvedRecipe) -> Iterator[Problem]:
    model, loss = resolved.model.provider, resolved.loss.provider
    if model.about.computes_losses and not loss.about.sums_own_losses:
        yield Problem(
            "loss", f"{model.name} computes its losses itself.", 'Write "own_losses".', loss.qualified
        )
    if loss.about.sums_own_losses and not model.about.computes_losses:
        yield Problem("loss", f"{model.name} computes no losses of its own.", "Name a loss.", loss.qualified)
    for node in with_inner(resolved.loss):
        if node.provider.about.couples_batch and resolved.recipe.train.accumulate > 1:
            yield Problem(
                "train.accumulate",
                f"{node.provider.name} depends on the whole batch at once, so it cannot be accumulated.",
                "Set it to 1.",
                node.provider.qualified,
            )
        if node.provider.about.couples_batch and resolved.recipe.train.on_out_of_memory == "split":
            yield Problem(
                "train.on_out_of_memory",
                f"{node.provider.name} depends on the whole batch at once, so it cannot be split.",
                'Set it to "error".',
                node.provider.qualified,
            )


def _wrong_lengths(resolved: ResolvedRecipe) -> Iterator[Problem]:
    train, loader = resolved.recipe.train, resolved.recipe.loader
    if train.epochs is not None and train.steps is not None:
        yield Problem("train", '"epochs" and "steps" exclude each other.', "Set one to null.")
    if train.accumulate > loader.batch_size:
        yield Problem(
            "train.accumulate",
            f"{train.accumulate} micro-batches cannot be cut from a batch of {loader.batch_size}.",
        )
    core = resolved.scheduler.core
    if isinstance(core, SchedulerCore) and core.warmup_epochs and core.warmup_steps is not None:
        yield Problem("scheduler", '"warmup_epochs" and "warmup_steps" exclude each other.', "Remove one.")
    split = resolved.recipe.split
    if split.val_fraction + split.test_fraction >= 1:
        yield Problem("split", "the fractions leave no training data.")


def monitors(node: Node) -> dict[str, str]:
    """The settings of a component that name something measured: name of the setting -> its value."""
    return {
        name: getattr(node.settings, name)
        for name, field in type(node.settings).model_fields.items()
        if _names_a_measurement(field.metadata, field.annotation) and getattr(node.settings, name) is not None
    }


def _names_a_measurement(metadata: Iterable[Any], annotation: Any) -> bool:
    """Whether a setting is a `Monitor`, or one of several things of which a `Monitor` is one."""
    inner = [item for argument in get_args(annotation) for item in getattr(argument, "__metadata__", ())]
    return any(isinstance(item, MonitorName) for item in (*metadata, *inner))


def _wrong_monitors(resolved: ResolvedRecipe) -> Iterator[Problem]:
    reported = reported_metrics(resolved)
    named = [
        (f"{node.path}.{setting}", value, node.provider.qualified)
        for node in (resolved.scheduler, *resolved.callbacks)
        for setting, value in monitors(node).items()
    ]
    if resolved.recipe.checkpoint.monitor is not None:
        named.append(("checkpoint.monitor", resolved.recipe.checkpoint.monitor, ""))
    for path, value, provider in named:
        if value not in reported:
            hint = did_you_mean(value, reported) or f"Measured: {', '.join(reported)}."
            yield Problem(path, f'nothing named "{value}" is measured.', hint, provider)


def _contrary_modes(resolved: ResolvedRecipe) -> Iterator[Problem]:
    reported = reported_metrics(resolved)
    checkpoint = resolved.recipe.checkpoint
    claims = [("checkpoint.mode", checkpoint.monitor or default_monitor(resolved), checkpoint.mode)]
    for node in (resolved.scheduler, *resolved.callbacks):
        for value in monitors(node).values():
            claims.append((f"{node.path}.mode", value, getattr(node.settings, "mode", None)))
    for path, monitor, mode in claims:
        if mode is not None and mode != reported[monitor]:
            yield Problem(path, f'is "{mode}", but {monitor} is better when it is {reported[monitor]}imal.')


def described_data(resolved: ResolvedRecipe) -> DatasetDescription:
    """What the dataset's settings tell about the data."""
    describe = resolved.data.provider.about.describe
    return describe(resolved.data.settings) if describe is not None else DatasetDescription()


def _size_after(nodes: list[Node], size: Size | None) -> Size | None:
    for node in nodes:
        output_size = node.provider.about.output_size
        if output_size is not None:
            size = output_size(size, node.settings)
    return size


def _too_small(resolved: ResolvedRecipe) -> Iterator[Problem]:
    model = resolved.model.provider
    minimum = model.about.min_size_with(resolved.model.settings)
    if minimum is None:
        return
    start = described_data(resolved).image_size
    sizes = {
        "transforms.train": _size_after(resolved.train_transforms, start),
        "transforms.eval": _size_after(resolved.eval_transforms, start),
    }
    small = {path: size for path, size in sizes.items() if size is not None and min(size) < minimum}
    if len(small) == 2 and len(set(small.values())) == 1:
        small = {"transforms": small["transforms.eval"]}
    for path, (height, width) in small.items():
        yield Problem(
            path,
            f"images are {height}x{width} pixels, but {model.name} needs at least {minimum}x{minimum}.",
            f'Add {{"type": "resize", "size": [{minimum}, {minimum}]}}, or choose another model.',
            model.qualified,
        )


_CHECKS: tuple[tuple[Callable[[ResolvedRecipe], Iterator[Problem]], set[str]], ...] = (
    (_wrong_tasks, {"data", "task"}),
    (_wrong_losses, {"data", "task", "model", "loss"}),
    (_wrong_lengths, set()),
    (_wrong_monitors, {"data", "task", "metrics"}),
    (_too_small, {"data", "model", "transforms"}),
)
"""Every check, and the parts of a recipe without which it would report consequences only."""


def targets_with_places(task: str) -> Problem:
    """The problem of a recipe that keeps samples whose targets change with the image."""
    message = f"cannot keep samples for {task}: their targets lie in the image."
    return Problem("loader.cache", message, 'Set it to "none".')


def decoding_of_targets_with_places(task: str) -> Problem:
    """The problem of a recipe that decodes on the device what only comes together with its target."""
    message = f'"device" is not for {task}: its targets lie in the image.'
    return Problem("loader.decode", message, 'Set it to "cpu".')


def decoding_without_torchcodec() -> Problem:
    """The problem of a recipe that decodes on the device where the library for it is missing."""
    return Problem("loader.decode", 'is "device", but torchcodec is not installed.', _NVJPEG)


def foreign_transform(node: Node, name: str) -> Problem:
    """The problem of a transform that may not know of devices where images are on one."""
    message = f'{name} is no imgfw.Transform, which "loader.decode": "device" asks for.'
    return Problem(node.path, message, 'Remove it, or set "cpu".', node.provider.qualified)


_NVJPEG = 'pip install "imgfw[nvjpeg]"'


def _undecodable(resolved: ResolvedRecipe) -> Iterator[Problem]:
    """What keeps a recipe from decoding images on the device."""
    loader, transforms = resolved.recipe.loader, resolved.recipe.transforms
    if loader.decode == "cpu":
        return
    if _has_targets_with_places(resolved):
        yield decoding_of_targets_with_places(resolved.task.provider.name)
    if loader.cache != "none":
        yield Problem(
            "loader.decode", 'is "device", but kept images are not decoded again.', 'Set it to "cpu".'
        )
    if transforms.warp == "opencv":
        message = 'is "opencv", which works in the workers, but images are decoded on the device.'
        yield Problem("transforms.warp", message, 'Set it to "each", or loader.decode to "cpu".')
    for node in (*resolved.train_transforms, *resolved.eval_transforms):
        factory = node.provider.factory
        if isclass(factory) and not issubclass(factory, Transform):
            yield foreign_transform(node, node.provider.name)
    if importlib.util.find_spec("torchcodec") is None:
        yield decoding_without_torchcodec()


def _has_targets_with_places(resolved: ResolvedRecipe) -> bool:
    task = resolved.task.provider.factory
    return isclass(task) and issubclass(task, Task) and not task.of_whole_images


def _uncacheable(resolved: ResolvedRecipe) -> Iterator[Problem]:
    if _has_targets_with_places(resolved) and resolved.recipe.loader.cache != "none":
        yield targets_with_places(resolved.task.provider.name)


def _lacks_opencv(resolved: ResolvedRecipe) -> Iterator[Problem]:
    if resolved.recipe.transforms.warp != "opencv" or importlib.util.find_spec("cv2") is not None:
        return
    if any(map(_may_warp, (*resolved.train_transforms, *resolved.eval_transforms))):
        yield Problem(
            "transforms.warp", 'is "opencv", but OpenCV is not installed.', 'pip install "imgfw[fast]"'
        )


def _may_warp(node: Node) -> bool:
    """Whether a transform has an affine map that OpenCV could do."""
    factory = node.provider.factory
    return isclass(factory) and issubclass(factory, Transform) and factory.warp is not Transform.warp


_CHECKS_OF_TRAINING: tuple[tuple[Callable[[ResolvedRecipe], Iterator[Problem]], set[str]], ...] = (
    (_uncacheable, {"data", "task", "loader"}),
    (_lacks_opencv, {"transforms"}),
    (_undecodable, {"data", "task", "loader", "transforms"}),
)
"""The same for what training alone needs."""


def _double_normalization(resolved: ResolvedRecipe) -> Iterator[Problem]:
    if not resolved.model.provider.about.normalizes_input:
        return
    for node in (*resolved.train_transforms, *resolved.eval_transforms):
        if node.provider.name == "normalize":
            name = resolved.model.provider.name
            yield Problem(
                node.path, f"{name} normalises images itself.", "Remove it.", node.provider.qualified
            )
