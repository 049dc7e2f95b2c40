"""Going on with a run: with which recipe, and with its state put into what was built anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgfw.catalog.catalog import Catalog
from imgfw.contract.callback import Plan
from imgfw.contract.dataset import DatasetInfo
from imgfw.contract.errors import DataError, ImgfwError, UsageError
from imgfw.engine.environment import describe_environment, environment_changes
from imgfw.engine.generators import restore_generators
from imgfw.engine.progress import Progress
from imgfw.engine.resuming.changes import Difference, Done, Effect, differences, judge
from imgfw.engine.saving.past_run import recipe_of, source_of
from imgfw.engine.saving.run_folder import RunFolder
from imgfw.engine.saving.run_state import built_from
from imgfw.recipe.checking import check
from imgfw.recipe.reading import read_recipe
from imgfw.recipe.resolving import ResolvedRecipe
from imgfw.recipe.schema import SECTIONS

if TYPE_CHECKING:
    import torch

    from imgfw.engine.building import Parts
    from imgfw.engine.saving.checkpoint import Checkpoint
    from imgfw.recipe.nodes import Node

_LENGTH = ("train.epochs", "train.steps")


def changed_recipe(
    folder: RunFolder,
    recipe: str | Path | Mapping[str, Any] | None,
    overrides: Sequence[str],
    catalog: Catalog | None,
) -> tuple[ResolvedRecipe, list[Difference]]:
    """The recipe to go on with, and where it differs from the run's; what is `auto` in it stays as it was.

    Args:
        folder: the run's.
        recipe: the new recipe; None: the run's own.
        overrides: changes of it, as of `--set`.
        catalog: the plugins to use; by default those installed.

    Raises:
        RecipeError: the recipe is wrong.
    """
    catalog = catalog or Catalog()
    own = recipe_of(folder, catalog)
    if recipe is None and not overrides:
        return own, []
    source = source_of(folder, overrides) if recipe is None else read_recipe(recipe, overrides)
    old, new = own.to_json(), check(source, catalog).recipe.to_json()
    for section in (*SECTIONS, "optimizer"):
        if old[section].get("type") == new[section].get("type"):
            new[section] = _settled(new[section], old[section])
    settled_source = replace(read_recipe(new), any_plugin_file=True)
    return check(settled_source, catalog).recipe, differences(old, new)


def _settled(section: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """A part of a recipe with the values of another for what is `auto` in it."""
    return {key: other.get(key, value) if value == "auto" else value for key, value in section.items()}


def refuse(
    folder: Path,
    changes: Sequence[Difference],
    state: Mapping[str, Any],
    allow_changes: bool,
    model: Node,
) -> None:
    """Let changes pass that may be made.

    Args:
        folder: the run's.
        changes: all of them.
        state: of the checkpoint to go on from.
        allow_changes: whether they may change the trajectory.
        model: of the recipe to go on with.

    Raises:
        UsageError: naming every change, and what to do.
    """
    if not changes:
        return
    if state["built_from"] is None:
        raise UsageError(
            f"{folder} was trained by an earlier imgfw, which did not note what its state was built from.",
            "Go on with it unchanged, or start a new run.",
        )
    done = _done(state)
    judged = [(change, judge(change, done)) for change in changes]
    effects = {rule.effect for _, rule in judged}
    if Effect.IMPOSSIBLE in effects:
        hint = "Leave out what is impossible, or start a new run."
        weights = folder / "checkpoints" / "best" / "model.safetensors"
        if _begins_with(model, weights) and not any(change.path == "model" for change in changes):
            hint += f" It begins with this run's best weights by: --set model.pretrained={weights}"
    elif Effect.TRAJECTORY in effects and not allow_changes:
        hint = "Go on with the changes by --allow-changes; the run is then no longer what its start promised."
    else:
        return
    order = list(Effect)[::-1]
    lines = [
        f"  {rule.effect.value}: {change}" + (f" ({rule.note})" if rule.effect is Effect.IMPOSSIBLE else "")
        for change, rule in sorted(judged, key=lambda pair: order.index(pair[1].effect))
    ]
    raise UsageError("\n".join([f"{folder} cannot go on with these changes as they are:", *lines, ""]), hint)


def _begins_with(model: Node, weights: Path) -> bool:
    """Whether a model has the setting that names a file of weights to begin with."""
    own = {name: value for name, value in model.to_json().items() if name in model.provider.setting_names}
    if "pretrained" not in own:
        return False
    _, problems = model.provider.validate(own | {"pretrained": str(weights)}, model.path)
    return not problems


def _done(state: Mapping[str, Any]) -> Done:
    steps = state["progress"]["step"]
    return Done(-(-steps // state["built_from"]["plan"]["steps_per_epoch"]), steps)


def reopen(folder: Path, state: dict[str, Any], changes: Sequence[Difference]) -> bool:
    """Let a finished run go on where a change asks for it; whether it does.

    More epochs or steps ask for it where the last step was done, changed callbacks where one stopped the run.

    Raises:
        UsageError: it ended within an epoch, which was evaluated: the rest of that epoch cannot follow.
    """
    progress = state["progress"]
    stopped = progress["stop"] is not None
    if not any(change.path.startswith("callbacks" if stopped else _LENGTH) for change in changes):
        return False
    missing = -progress["step"] % state["built_from"]["plan"]["steps_per_epoch"]
    if missing:
        raise UsageError(
            f"{folder} ended {missing} steps before the end of an epoch, after which nothing can follow.",
            "Start a new run of the length that you want.",
        )
    progress |= {"finished": False, "stop": None}
    return True


def warnings_for(folder: RunFolder, resolved: ResolvedRecipe, changes: Sequence[Difference]) -> list[str]:
    """What may keep the run from going on bit for bit: other versions, another machine."""
    before = folder.read_json("recipe.resolved.json")["resolved_with"]
    warnings = [
        f"{name} is {version} now, and was {before[name]} when the run was trained."
        for name, version in resolved.versions.items()
        if before.get(name, version) != version
    ]
    now = describe_environment(resolved.versions)
    moved = [str(change) for change in changes if change.path == "train.device"]
    try:
        moved += environment_changes(folder.read_json("environment.json"), now)
    except (KeyError, TypeError, AttributeError):
        moved += ["environment.json, which tells where the run was trained, is not as it was written"]
    if moved:
        warnings.append(f"rounding may differ from here on: {', '.join(moved)}.")
    return warnings


def refuse_other_data(info: DatasetInfo, state: Mapping[str, Any]) -> None:
    """See to it that the data is still what the model was made for.

    Raises:
        DataError: it has other classes, or images of other channels.
    """
    before = state["info"]
    for what, old, new in (
        ("classes", ", ".join(before["classes"]), ", ".join(info.classes)),
        ("channels", before["channels"], info.channels),
    ):
        if old != new:
            raise DataError(
                f"The data has other {what} than the run was trained with: {new}, and not {old}.",
                "Resume with the data of its start, or start a new run.",
            )


def other_samples(info: DatasetInfo, state: Mapping[str, Any]) -> str | None:
    """What is to be said where the training data has not as many samples of each class as it had."""
    before, now = state["info"]["class_counts"], info.class_counts
    if before is None or now is None or tuple(before) == tuple(now):
        return None
    return (
        f"the training data has {sum(now):,} samples, not those {sum(before):,} that the run began with: "
        "what follows is not what it would have been."
    )


def restore(parts: Parts, progress: Progress, found: Checkpoint) -> None:
    """Put the state of a checkpoint into what was built; the weights are in the model already.

    Raises:
        DataError: something does not take back what the checkpoint holds of it.
    """
    try:
        _restore(parts, progress, found.state)
    except ImgfwError:
        raise
    except Exception as error:  # of optimizers, schedulers and callbacks, which are plugins' code
        raise DataError(
            f"The state in {found.folder} does not fit the run's parts: {type(error).__name__}: {error}.",
            "Was a plugin's code changed since? IMGFW_DEBUG=1 shows where.",
        ) from error


def _restore(parts: Parts, progress: Progress, state: Mapping[str, Any]) -> None:
    now = built_from(parts.resolved, parts.plan)
    before = state["built_from"] or now  # not noted before format 2: nothing could be changed then
    progress.load_state_dict(state["progress"], parts.precision.device)
    _count_anew(progress, before["plan"]["steps_per_epoch"], parts.plan)
    if before["aim"] != now["aim"]:
        progress.best = None
    optimizer = _settled(before["optimizer"], now["optimizer"])  # earlier versions noted `auto` as it was
    if optimizer == now["optimizer"] and all(before[key] == now[key] for key in ("plan", "scheduler")):
        parts.optimizer.load_state_dict(state["optimizer"])
        parts.schedule.load_state_dict(state["schedule"])
    else:
        _place(parts, progress, state["optimizer"])
    if state["scaler"]:  # empty where the precision needed none
        parts.scaler.load_state_dict(state["scaler"])
    for callback, origin in zip(parts.callbacks, origins(before["callbacks"], now["callbacks"]), strict=True):
        if origin is not None:
            callback.load_state_dict(state["callbacks"][origin])
    restore_generators(state["generators"])  # last, since building drew from them


def _count_anew(progress: Progress, steps_per_epoch: int, plan: Plan) -> None:
    """Where epochs have another number of steps now, go on at the same part of the same epoch."""
    within = progress.step - progress.epochs_done * steps_per_epoch
    if steps_per_epoch != plan.steps_per_epoch:
        within = within * plan.steps_per_epoch // steps_per_epoch
        progress.step = progress.epochs_done * plan.steps_per_epoch + within


def _place(parts: Parts, progress: Progress, saved: dict[str, Any]) -> None:
    """Put a new schedule at the step reached, and give the optimizer its state but for the settings.

    The schedule is led through the steps and evaluations that were, in place of a state that holds its old
    length: so it is what it would be, had it been the run's from the start.
    """
    built = _settings(parts.optimizer)
    rows = {int(row["epoch"]) * parts.plan.steps_per_epoch: row for row in progress.history}
    parts.schedule.fast_forward(progress.step, rows)
    placed = _settings(parts.optimizer)
    parts.optimizer.load_state_dict(saved)
    own = {"lr", "initial_lr", *parts.resolved.optimizer.values}
    for group, before, after in zip(parts.optimizer.param_groups, built, placed, strict=True):
        group.update({key: item for key, item in after.items() if key in own or before.get(key) != item})


def _settings(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """What the groups of an optimizer hold besides their parameters."""
    return [{key: item for key, item in group.items() if key != "params"} for group in optimizer.param_groups]


def origins(before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> list[int | None]:
    """Which of the callbacks before each of those now was: the same one, else the first left of its type."""
    left = dict(enumerate(before))
    found: dict[int, int] = {}

    def match(same: Callable[[Mapping[str, Any], Mapping[str, Any]], bool]) -> None:
        for number, callback in enumerate(now):
            origin = next((key for key, old in left.items() if same(old, callback)), None)
            if number not in found and origin is not None:
                found[number] = origin
                del left[origin]

    match(lambda old, new: old == new)
    match(lambda old, new: old["type"] == new["type"])
    return [found.get(number) for number in range(len(now))]
