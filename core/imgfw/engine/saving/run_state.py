"""What a run's state holds besides the model's weights: gathered when it is saved, judged when it is read."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

import pydantic
from annotated_types import Ge, Gt
from torch import Tensor

from imgfw.contract.errors import DataError
from imgfw.engine.environment import state_environment
from imgfw.engine.generators import generator_states
from imgfw.recipe.checking import aim_of

if TYPE_CHECKING:
    from imgfw.contract.callback import Plan
    from imgfw.engine.building import Parts
    from imgfw.engine.progress import Progress
    from imgfw.engine.saving.checkpoint import Checkpoint
    from imgfw.recipe.resolving import ResolvedRecipe


def run_state(parts: Parts, progress: Progress, logged: dict[str, Any]) -> dict[str, Any]:
    """Everything but the model's weights that a run needs to go on, and that prediction needs to know.

    Args:
        parts: what is trained.
        progress: how far it is.
        logged: what callbacks logged in this epoch so far.
    """
    statistics = parts.data.statistics.value
    return {
        "progress": progress.state_dict(),
        "logged": logged,
        "optimizer": parts.optimizer.state_dict(),
        "schedule": parts.schedule.state_dict(),
        "scaler": parts.scaler.state_dict(),
        "callbacks": [callback.state_dict() for callback in parts.callbacks],
        "average": _average_state(parts),
        "generators": generator_states(),
        "info": dataclasses.asdict(parts.data.info),
        "statistics": dataclasses.asdict(statistics) if statistics is not None else None,
        "trainable": [name for name, item in parts.model.named_parameters() if item.requires_grad],
        "precision": parts.precision.name,
        "environment": state_environment(parts.precision),
        "versions": parts.resolved.versions,
        "built_from": built_from(parts.resolved, parts.plan),
    }


def _average_state(parts: Parts) -> dict[str, Any] | None:
    """What goes on beside the average of the weights, which is what the checkpoint holds as the model."""
    if parts.average is None:
        return None
    return {"steps": parts.average.steps, "trained": parts.model.state_dict()}


def built_from(resolved: ResolvedRecipe, plan: Plan) -> dict[str, Any]:
    """What the state of a run depends on, saved with it: whether this differs decides how it is restored."""
    recipe = resolved.to_json()
    return {
        "plan": {"total_steps": plan.total_steps, "steps_per_epoch": plan.steps_per_epoch},
        "aim": list(aim_of(resolved)),
        **{key: recipe[key] for key in ("optimizer", "scheduler", "callbacks")},
    }


def check_run_state(found: Checkpoint) -> None:
    """Make sure that the state of a checkpoint is one of a run: whoever can write files can write hashes.

    What optimizers, schedulers and callbacks put into it is theirs, and theirs to judge.

    Raises:
        DataError: naming the first thing that is not.
    """
    try:
        _RunState.model_validate(found.state)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(
            f"{found.folder} holds no state of a run: {where}: {first['msg']}.",
            "imgfw did not write it like that; take a copy of the run from where it was trained.",
        ) from None


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True)


_Count = Annotated[int, Ge(0)]


class _Best(_Part):
    epoch: _Count
    value: float
    metrics: dict[str, float]


class _Progress(_Part):
    step: _Count
    epochs_done: _Count
    samples_seen: _Count
    loss_sum: Tensor
    loss_weight: Tensor | float
    history: list[dict[str, float]]
    best: _Best | None
    stop: str | None
    finished: bool
    skipped_steps: _Count = 0
    halvings: _Count = 0


class _Generators(_Part):
    python: tuple[Any, ...]
    numpy: tuple[Any, ...]
    torch: Tensor
    cuda: list[Tensor]


class _Average(_Part):
    steps: _Count
    trained: dict[str, Tensor]


class _Plan(_Part):
    total_steps: Annotated[int, Gt(0)]
    steps_per_epoch: Annotated[int, Gt(0)]


class _Info(_Part):
    task: str
    classes: tuple[str, ...]
    channels: int
    image_size: tuple[int, int] | None
    ignore_index: int
    class_counts: tuple[int, ...] | None


class _Statistics(_Part):
    mean: tuple[float, ...]
    std: tuple[float, ...]


class _Component(pydantic.BaseModel):
    type: str


class _BuiltFrom(_Part):
    plan: _Plan
    aim: list[Any]
    optimizer: _Component
    scheduler: _Component
    callbacks: list[_Component]


class _RunState(_Part):
    progress: _Progress
    logged: dict[str, Any]
    optimizer: dict[str, Any]
    schedule: dict[str, Any]
    scaler: dict[str, Any]
    callbacks: list[dict[str, Any]]
    average: _Average | None
    generators: _Generators
    info: _Info
    statistics: _Statistics | None
    trainable: list[str]
    precision: str
    environment: dict[str, Any] | None
    versions: dict[str, str]
    built_from: _BuiltFrom | None
