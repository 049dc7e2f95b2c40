"""A sweep: many trials of one recipe, in a study that is kept and can be gone on with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imgfw

from imgfw_plugin_optuna import table
from imgfw_plugin_optuna.plan import Plan, Recipe, make_plan
from imgfw_plugin_optuna.space import read_space
from imgfw_plugin_optuna.strategies import PrunerName, SamplerName, choose_pruner, choose_sampler
from imgfw_plugin_optuna.trial import INTERRUPTED, TrialFailedError, run_trial

if TYPE_CHECKING:
    import optuna

_IDENTITY = "imgfw"
"""The attribute of a study that holds what it is a study of."""


class NoTrialSucceededError(imgfw.ImgfwError):
    """Every trial of a sweep failed or was pruned."""


@dataclass(frozen=True)
class SweepResult:
    """A finished sweep.

    Attributes:
        study: Optuna's study, with every trial.
        folder: where the trials' runs are.
        best_recipe: the file with the best trial's recipe.
    """

    study: optuna.Study
    folder: Path
    best_recipe: Path


def sweep(
    recipe: Recipe,
    space: str | Path | Mapping[str, Any],
    *,
    trials: int = 20,
    overrides: Sequence[str] = (),
    study: str | None = None,
    storage: str | optuna.storages.BaseStorage | None = None,
    timeout: float | None = None,
    sampler: SamplerName | optuna.samplers.BaseSampler = "tpe",
    pruner: PrunerName | optuna.pruners.BasePruner = "median",
    seed: int | None = None,
    quiet: bool = False,
) -> SweepResult:
    """Search the settings of a recipe for the best value of what its `checkpoint.monitor` says.

    Args:
        recipe: a recipe file, or its data as a dict.
        space: a file with a search space, or its data: `{"optimizer.lr": {"low": 1e-4, "high": 0.1}}`.
        trials: how many trials the study is to have in the end, those of earlier calls included.
        overrides: changes to the recipe that all trials have, as `train.epochs=5`.
        study: the study's name; by default the recipe's name and `-sweep`. The trials' runs are in a folder
            of this name below the recipe's `output_dir`.
        storage: Optuna's storage, or the URL of one; by default `study.db` in that folder.
        timeout: begin no trial after so many seconds.
        sampler: how values are chosen: `tpe`, `random`, `grid` (every combination once), or one of Optuna's.
        pruner: which trials are stopped early: `median`, `hyperband`, `none`, or one of Optuna's.
        seed: for the named sampler: the same values each time, if one process searches alone.
        quiet: print nothing.

    Raises:
        UsageError: the search space is wrong, or the study is one of another recipe or space.
        RecipeError: the recipe is wrong, or is with a value of the space.
        DataError, PluginError: no trial could run.
        NoTrialSucceededError: every trial failed or was pruned.
        InterruptedRun: a signal came; the study is saved, and the same call goes on with it.
    """
    plan = make_plan(recipe, read_space(space), overrides)
    name = study or f"{plan.report.recipe['name']}-sweep"
    folder = Path(plan.report.recipe["output_dir"]) / name
    folder.mkdir(parents=True, exist_ok=True)
    opened = _open(name, storage or f"sqlite:///{folder / 'study.db'}", plan)
    if isinstance(sampler, str):
        sampler = choose_sampler(sampler, plan.space, seed, len(opened.trials))
    opened.sampler = sampler
    opened.pruner = choose_pruner(pruner) if isinstance(pruner, str) else pruner
    best_recipe = folder / "best_recipe.json"

    def after_trial(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        if not quiet:
            print(table.line(trial, plan.report.monitor), flush=True)
        if _is_best(study, trial):
            _write(best_recipe, _recipe_of(trial, plan))
        if count_done(study) >= trials:
            study.stop()

    try:
        if count_done(opened) < trials:
            opened.optimize(
                lambda trial: run_trial(trial, plan, folder),
                timeout=timeout,
                catch=(TrialFailedError,),
                callbacks=[after_trial],
                gc_after_trial=True,
            )
    except imgfw.InterruptedRun as error:
        raise _interrupted(opened, error.exit_code - 128) from None
    finally:
        if not quiet and opened.trials:
            print(table.table(opened, plan.report.monitor), flush=True)
    _refuse_without_success(opened)
    _write(best_recipe, _recipe_of(opened.best_trial, plan))
    if not quiet:
        print(f"best recipe: {best_recipe}", flush=True)
    return SweepResult(opened, folder, best_recipe)


def count_done(study: optuna.Study) -> int:
    """The trials that came to an end of their own, good or bad."""
    return sum(trial.state.is_finished() and INTERRUPTED not in trial.user_attrs for trial in study.trials)


def _open(name: str, storage: Any, plan: Plan) -> optuna.Study:
    import optuna

    direction = "maximize" if plan.report.mode == "max" else "minimize"
    try:
        study = optuna.create_study(
            study_name=name, storage=storage, direction=direction, load_if_exists=True
        )
    except Exception as error:  # whatever the database raises
        text = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise imgfw.UsageError(f"Optuna cannot open its storage: {text}") from error
    known = study.user_attrs.get(_IDENTITY)
    if known is None:
        study.set_user_attr(_IDENTITY, plan.identity)
    elif known != plan.identity:
        other = " and ".join(key for key in known if known[key] != plan.identity[key])
        raise imgfw.UsageError(
            f'The study "{name}" was begun with another {other}.',
            "Its trials cannot be compared with new ones: name another study (--study).",
        )
    return study


def _is_best(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
    return trial.state.name == "COMPLETE" and study.best_trial.number == trial.number


def _recipe_of(trial: optuna.trial.FrozenTrial, plan: Plan) -> dict[str, Any]:
    import optuna

    words = plan.suggest(optuna.trial.FixedTrial(trial.params))
    return imgfw.check(plan.recipe, overrides=words).recipe


def _write(file: Path, recipe: Mapping[str, Any]) -> None:
    """Write a recipe whole or not at all."""
    aside = file.with_suffix(".tmp")
    aside.write_text(json.dumps(recipe, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    aside.replace(file)


def _interrupted(study: optuna.Study, signal_number: int) -> imgfw.InterruptedRun:
    done = count_done(study)
    trials = "1 trial" if done == 1 else f"{done} trials"
    return imgfw.InterruptedRun(
        f"Stopped after {trials}; the study is saved.",
        "The same command goes on with it, and does the trial again that was cut short.",
        signal_number,
    )


def _refuse_without_success(study: optuna.Study) -> None:
    if any(trial.state.name == "COMPLETE" for trial in study.trials):
        return
    reasons = [trial.user_attrs for trial in study.trials if "failure" in trial.user_attrs]
    last = reasons[-1] if reasons else {"failure": "all were pruned", "exit_code": 1}
    error = NoTrialSucceededError(f"No trial succeeded: {last['failure']}")
    error.exit_code = last["exit_code"]
    raise error
