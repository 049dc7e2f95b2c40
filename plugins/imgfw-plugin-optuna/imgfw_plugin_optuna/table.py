"""Trials as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfw_plugin_optuna.trial import INTERRUPTED

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

_STATES = {"COMPLETE": "completed", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}


def line(trial: FrozenTrial, monitor: str) -> str:
    """A trial that has just ended."""
    reason = trial.user_attrs.get("failure")
    rest = f": {reason}" if reason else ""
    return f"trial {trial.number}  {_state(trial)}  {monitor} {_value(trial)}  {_values(trial)}{rest}"


def table(study: optuna.Study, monitor: str) -> str:
    """All trials, the best first, those without a value last."""
    sign = -1 if study.direction.name == "MAXIMIZE" else 1
    shown = [trial for trial in study.trials if trial.state.name != "WAITING"]
    shown.sort(key=lambda trial: (trial.state.name != "COMPLETE", sign * (trial.value or 0.0), trial.number))
    paths = list(dict.fromkeys(path for trial in shown for path in trial.params))
    rows = [("TRIAL", "STATE", monitor, *paths)]
    for trial in shown:
        chosen = [_short(trial.params.get(path, "-")) for path in paths]
        rows.append((str(trial.number), _state(trial), _value(trial), *chosen))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(text.rstrip() for text in lines)


def _state(trial: FrozenTrial) -> str:
    return INTERRUPTED if INTERRUPTED in trial.user_attrs else _STATES[trial.state.name]


def _value(trial: FrozenTrial) -> str:
    """The best value, or the last that was reported of a trial that was pruned."""
    return "-" if trial.value is None else f"{trial.value:.4f}"


def _values(trial: FrozenTrial) -> str:
    return "  ".join(f"{path}={_short(value)}" for path, value in trial.params.items())


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
