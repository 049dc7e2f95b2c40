"""Sweeps: their trials, their study, and what they leave behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import imgfw
import optuna
import pytest
from imgfw_plugin_optuna import sweep

LR = {"optimizer.lr": {"choices": [0.01, 0.02]}}

KILL = '''
from __future__ import annotations

import os
import signal
from pathlib import Path

import imgfw


class KillOnce(imgfw.Callback):
    """Sends the signal of Ctrl-C after a step of the second trial, the first time."""

    def __init__(self, *, note: Path) -> None:
        self.note = note

    def on_step_end(self, run):
        if run.name == "trial-001" and not self.note.exists():
            self.note.touch()
            os.kill(os.getpid(), signal.SIGINT)


@imgfw.hookimpl
def imgfw_callbacks():
    return [KillOnce]
'''


def states(study: optuna.Study) -> list[str]:
    return [trial.state.name for trial in study.trials]


def resolved(folder: Path, number: int) -> dict[str, Any]:
    return json.loads((folder / f"trial-{number:03}" / "recipe.resolved.json").read_text())


def test_trials_are_runs_with_the_values_that_were_chosen(recipe: dict[str, Any], folder: Path) -> None:
    space = {
        "optimizer": {"choices": ["adam", {"type": "sgd", "momentum": 0.9}]},
        "optimizer.lr": {"low": 1e-3, "high": 1e-1, "log": True},
        "model.width": {"low": 2, "high": 4, "step": 2},
    }
    study = sweep(recipe, space, trials=3, sampler="random", seed=1, quiet=True).study
    assert states(study) == ["COMPLETE"] * 3
    for trial in study.trials:
        ran = resolved(folder, trial.number)
        assert ran["optimizer"]["lr"] == trial.params["optimizer.lr"]
        assert ran["model"]["width"] == trial.params["model.width"] in (2, 4)
        chosen = trial.params["optimizer"]
        assert ran["optimizer"]["type"] == ("imgfw/adam" if chosen == "adam" else "imgfw/sgd")
        summary = json.loads((folder / f"trial-{trial.number:03}" / "summary.json").read_text())
        assert trial.value == summary["best"]["val/accuracy"]
        assert trial.user_attrs["test"] == summary["test"]
    assert {trial.params["optimizer"] for trial in study.trials} == {
        "adam",
        '{"type": "sgd", "momentum": 0.9}',
    }


def test_the_best_recipe_is_the_best_trials_and_passes_every_check(
    recipe: dict[str, Any], folder: Path
) -> None:
    result = sweep(recipe, {"optimizer.lr": {"choices": [1e-9, 0.01]}}, sampler="grid", quiet=True)
    assert states(result.study) == ["COMPLETE"] * 2
    assert result.study.best_params == {"optimizer.lr": 0.01}
    assert result.best_recipe == folder / "best_recipe.json"
    report = imgfw.check(result.best_recipe)
    assert report.recipe["optimizer"]["lr"] == 0.01
    assert report.recipe == imgfw.check(recipe).recipe


def test_a_grid_has_every_combination_once_and_then_ends(recipe: dict[str, Any]) -> None:
    space = {
        "model.width": {"low": 2, "high": 3},
        "optimizer.lr": {"low": 0.01, "high": 0.02, "step": 0.01},
        "seed": {"choices": [1]},
    }
    study = sweep(recipe, space, overrides=["train.epochs=1"], sampler="grid", quiet=True).study
    tried = sorted((trial.params["model.width"], trial.params["optimizer.lr"]) for trial in study.trials)
    assert tried == [(2, 0.01), (2, 0.02), (3, 0.01), (3, 0.02)]


def test_less_of_a_loss_is_better(recipe: dict[str, Any]) -> None:
    recipe["checkpoint"] = {"monitor": "val/loss"}
    study = sweep(recipe, {"optimizer.lr": {"choices": [1e-9, 0.01]}}, sampler="grid", quiet=True).study
    assert study.direction.name == "MINIMIZE"
    assert study.best_params == {"optimizer.lr": 0.01}


def test_a_trial_that_promises_nothing_is_pruned(recipe: dict[str, Any], folder: Path) -> None:
    recipe["checkpoint"] = {"monitor": "train/loss"}
    space = {"optimizer.lr": {"choices": [0.01, 1e-9]}}
    pruner = optuna.pruners.ThresholdPruner(upper=2.2)
    study = sweep(recipe, space, sampler="grid", pruner=pruner, quiet=True).study
    ended = {trial.params["optimizer.lr"]: trial for trial in study.trials}
    assert ended[0.01].state.name == "COMPLETE"
    assert (ended[1e-9].state.name, ended[1e-9].last_step) == ("PRUNED", 1)
    summary = json.loads((folder / f"trial-{ended[1e-9].number:03}" / "summary.json").read_text())
    assert summary["status"] == "stopped"
    assert summary["stop_reason"].startswith("pruned: train/loss is ")


def test_a_trial_that_fails_is_recorded_and_the_study_goes_on(
    recipe: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    study = sweep(recipe, {"optimizer.lr": {"choices": [1e30, 0.01]}}, sampler="grid").study
    ended = {trial.params["optimizer.lr"]: trial for trial in study.trials}
    assert (ended[1e30].state.name, ended[0.01].state.name) == ("FAIL", "COMPLETE")
    assert ended[1e30].user_attrs["exit_code"] == 5
    assert f"failed  val/accuracy -  optimizer.lr=1e+30: {ended[1e30].user_attrs['failure']}" in (
        capsys.readouterr().out
    )


def test_data_that_is_missing_ends_the_sweep(recipe: dict[str, Any], tmp_path: Path) -> None:
    recipe["data"] = {"type": "image_folder", "root": str(tmp_path / "nowhere")}
    with pytest.raises(imgfw.DataError):
        sweep(recipe, LR, quiet=True)


def test_the_same_call_goes_on_with_a_study(recipe: dict[str, Any], tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'studies.db'}"
    space = {"optimizer.lr": {"low": 1e-3, "high": 1e-1, "log": True}}
    common = {"storage": storage, "study": "mine", "sampler": "random", "seed": 5, "quiet": True}
    assert len(sweep(recipe, space, trials=1, **common).study.trials) == 1
    trials = sweep(recipe, space, trials=3, **common).study.trials
    assert len(trials) == len({trial.params["optimizer.lr"] for trial in trials}) == 3
    assert len(sweep(recipe, space, trials=3, **common).study.trials) == 3
    assert (tmp_path / "runs" / "mine" / "trial-002" / "summary.json").exists()


def test_an_interrupted_sweep_does_the_trial_again_that_was_cut_short(
    recipe: dict[str, Any], folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "kill.py").write_text(KILL)
    recipe["plugins"] = [str(tmp_path / "kill.py")]
    recipe["callbacks"] = [{"type": "kill_once", "note": str(tmp_path / "note")}]
    space = {"optimizer.lr": {"low": 1e-3, "high": 1e-1}}
    with pytest.raises(imgfw.InterruptedRun, match="Stopped after 1 trial; the study is saved") as caught:
        sweep(recipe, space, trials=3, quiet=True)
    assert caught.value.exit_code == 130
    assert (folder / "best_recipe.json").exists()
    study = sweep(recipe, space, trials=3, quiet=True).study
    assert states(study) == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert study.trials[1].params == study.trials[2].params
    assert study.trials[1].user_attrs == {"interrupted": True}


def test_a_study_of_another_recipe_or_space_is_refused(recipe: dict[str, Any]) -> None:
    sweep(recipe, LR, trials=1, quiet=True)
    with pytest.raises(imgfw.UsageError, match='"tiny-sweep" was begun with another recipe'):
        sweep(recipe, LR, trials=1, overrides=["seed=1"], quiet=True)
    with pytest.raises(imgfw.UsageError, match='"tiny-sweep" was begun with another space'):
        sweep(recipe, {"optimizer.lr": {"choices": [0.01]}}, trials=1, quiet=True)


def test_a_storage_that_cannot_be_opened_is_refused(recipe: dict[str, Any]) -> None:
    with pytest.raises(imgfw.UsageError, match="Optuna cannot open its storage: "):
        sweep(recipe, LR, storage="nosuchdatabase://x", quiet=True)


def test_no_trial_begins_after_the_timeout(recipe: dict[str, Any]) -> None:
    assert len(sweep(recipe, LR, trials=50, timeout=0.001, quiet=True).study.trials) == 1
