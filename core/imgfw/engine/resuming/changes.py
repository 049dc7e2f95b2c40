"""What may be changed in the recipe of a run that goes on: the rules, as data, and what they judge.

A change is *safe* when it does not touch what the steps compute, *changes the trajectory* when the steps to
come compute something else than they would have, and is *impossible* when the run's state does not fit it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any

from imgfw.catalog.problems import join_path


class Effect(Enum):
    """What a change does to a run; the value is how messages and pages call it."""

    SAFE = "safe"
    TRAJECTORY = "changes the trajectory"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True)
class Difference:
    """A place where two resolved recipes differ.

    Attributes:
        path: where, as `callbacks[0].patience`; a component or a list that was exchanged is one difference.
        old: what the run has.
        new: what it would get.
    """

    path: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.old)} -> {_shown(self.new)}"


@dataclass(frozen=True)
class Done:
    """What a run has trained: the epochs it began, and its optimizer steps."""

    epochs: int
    steps: int


@dataclass(frozen=True)
class Rule:
    """A row of the table of changes.

    Attributes:
        paths: patterns of the paths that it judges; `*` stands for anything.
        effect: its verdict.
        note: what happens, or what to do instead.
        when: the changes of these paths that it judges; the others are left to the rules after it.
        only: `when` in words.
    """

    paths: tuple[str, ...]
    effect: Effect
    note: str
    when: Callable[[Difference, Done], bool] = lambda difference, done: True
    only: str = ""


def _shorter_than_done(difference: Difference, done: Done) -> bool:
    reached = done.epochs if difference.path == "train.epochs" else done.steps
    return difference.new is not None and difference.new < reached


def _between_none_and_some(difference: Difference, done: Done) -> bool:
    return (difference.old is None) != (difference.new is None)


def _between_nonzero_numbers(difference: Difference, done: Done) -> bool:
    return _is_nonzero(difference.old) and _is_nonzero(difference.new)


def _is_nonzero(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(map(_is_nonzero, value))
    return isinstance(value, int | float) and not isinstance(value, bool) and value != 0


_NEW_RUN = "Start a new run."
_LATER_STEPS = "The steps to come are computed with it."

RULES: tuple[Rule, ...] = (
    Rule(
        ("train.epochs", "train.steps"),
        Effect.IMPOSSIBLE,
        "What is trained stays trained; the checkpoints of earlier epochs are in the run's folder.",
        _shorter_than_done,
        "to less than is done",
    ),
    Rule(("train.epochs", "train.steps"), Effect.SAFE, "The schedule is that of the new length."),
    Rule(("name", "output_dir"), Effect.SAFE, "The run stays in its folder."),
    Rule(
        ("plugins*",), Effect.SAFE, "Where components come from; a change of a component is one of its own."
    ),
    Rule(("train.log_every", "checkpoint.every*", "checkpoint.keep"), Effect.SAFE, "From here on."),
    Rule(
        ("train.max_skipped_steps", "max_bad_fraction"),
        Effect.SAFE,
        "The budget, of what was used before too.",
    ),
    Rule(("loader.num_workers", "loader.prefetch", "loader.cache*"), Effect.SAFE, "Not a bit differs."),
    Rule(("train.device",), Effect.SAFE, "Rounding differs, as a warning says; the precision stays."),
    Rule(
        ("checkpoint.monitor", "checkpoint.mode", "metrics*"),
        Effect.TRAJECTORY,
        "Where another metric decides, the best is looked for anew.",
    ),
    Rule(("callbacks*",), Effect.TRAJECTORY, "Callbacks of the same type keep their state; new ones start."),
    Rule(("scheduler",), Effect.IMPOSSIBLE, _NEW_RUN),
    Rule(("scheduler.*",), Effect.TRAJECTORY, "The new schedule is placed at the step reached."),
    Rule(("optimizer", "optimizer.decay_norm_and_bias"), Effect.IMPOSSIBLE, _NEW_RUN),
    Rule(
        ("optimizer.lr", "optimizer.weight_decay", "optimizer.fused", "optimizer.foreach"),
        Effect.TRAJECTORY,
        _LATER_STEPS,
    ),
    Rule(
        ("optimizer.*",),
        Effect.TRAJECTORY,
        _LATER_STEPS,
        _between_nonzero_numbers,
        "from a number to another, neither of them 0",
    ),
    Rule(("optimizer.*",), Effect.IMPOSSIBLE, "The optimizer's state would not fit. " + _NEW_RUN),
    Rule(
        ("train.ema_decay",),
        Effect.IMPOSSIBLE,
        "An average has to follow the weights from the start. " + _NEW_RUN,
        _between_none_and_some,
        "from or to null",
    ),
    Rule(("data", "task*", "model*"), Effect.IMPOSSIBLE, _NEW_RUN),
    Rule(("*",), Effect.TRAJECTORY, _LATER_STEPS),
)
"""The table of changes: the first rule that fits a difference judges it."""


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """Where two resolved recipes differ; which versions of plugins resolved them is no difference."""
    return list(_differences(old, new, ""))


def _differences(old: Any, new: Any, path: str) -> Iterator[Difference]:
    if isinstance(old, dict) and isinstance(new, dict) and old.get("type") == new.get("type"):
        for key in dict.fromkeys((*old, *new)):
            if join_path(path, [key]) != "resolved_with":
                yield from _differences(old.get(key), new.get(key), join_path(path, [key]))
    elif isinstance(old, list) and isinstance(new, list) and _types(old) == _types(new):
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _differences(before, after, join_path(path, [number]))
    elif old != new:
        yield Difference(path, old, new)


def _types(items: Sequence[Any]) -> list[Any]:
    """The types of a list's components; of other items only how many there are."""
    return [item.get("type") if isinstance(item, dict) else None for item in items]


def judge(difference: Difference, done: Done) -> Rule:
    """The rule that decides on a difference."""
    return next(
        rule
        for rule in RULES
        if any(fnmatchcase(difference.path, pattern) for pattern in rule.paths)
        and rule.when(difference, done)
    )


def _shown(value: Any) -> str:
    """A value as a message shows it: components by their names."""
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, dict) and "type" in value:
        return str(value["type"])
    return json.dumps(value)
