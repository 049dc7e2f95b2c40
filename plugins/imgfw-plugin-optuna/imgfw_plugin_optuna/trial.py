"""One trial: a run of the recipe with the values that the trial chose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import imgfw

from imgfw_plugin_optuna.plan import Plan
from imgfw_plugin_optuna.pruning import OptunaPruning

if TYPE_CHECKING:
    import optuna

INTERRUPTED = "interrupted"
"""Marks a trial that was cut short; it is done again, and counts for nothing."""

_ENDS_THE_SWEEP = (imgfw.DataError, imgfw.PluginError)
"""What the next trial would meet as well."""


class TrialFailedError(Exception):
    """A trial's own values made it fail; the next may do better."""


def run_trial(trial: optuna.Trial, plan: Plan, folder: Path) -> float:
    """Train with the trial's values; return the best monitored value.

    Raises:
        TrialPruned: the pruner stopped it.
        TrialFailedError: the run failed.
        DataError, PluginError: every trial would fail so.
        InterruptedRun: a signal came.
    """
    import optuna

    words = plan.suggest(trial)
    own = [f'name="trial-{trial.number:03}"', f"output_dir={json.dumps(str(folder))}"]
    pruning = OptunaPruning(trial, plan.report.monitor)
    try:
        result = imgfw.run(plan.recipe, overrides=[*words, *own], callbacks=[pruning], quiet=True)
        value = _best(result, plan.report.monitor)
    except _ENDS_THE_SWEEP:
        raise
    except (imgfw.InterruptedRun, KeyboardInterrupt):
        trial.set_user_attr(INTERRUPTED, True)
        trial.study.enqueue_trial(trial.params)
        raise
    except Exception as error:  # a model or loss may raise anything with an unlucky setting
        trial.set_user_attr("failure", _explain(error))
        trial.set_user_attr("exit_code", getattr(error, "exit_code", 1))
        raise TrialFailedError(_explain(error)) from error
    trial.set_user_attr("run", str(result.folder))
    trial.set_user_attr("epochs", result.summary["epochs"])
    trial.set_user_attr("test", result.summary["test"])
    if pruning.pruned:
        raise optuna.TrialPruned
    return value


def _best(result: imgfw.RunResult, monitor: str) -> float:
    best = result.summary["best"]
    if best is None:
        raise ValueError(f"{monitor} was never a number")
    return float(best[monitor])


def _explain(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, imgfw.ImgfwError) else f"{type(error).__name__}: {text}"
