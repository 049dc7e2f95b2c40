"""A run that goes on with a changed recipe, and one that must not."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from importlib.metadata import version

import imgfw
import pytest
from imgfw.engine import runs
from imgfw.engine.resuming.restoring import origins, other_samples, refuse_other_data
from imgfw.engine.saving import checkpoint

from tests.core.engine.conftest import CLASSIFICATION, fingerprint

SHORT = {
    "name": "short",
    "data": {"type": "shapes", "image_size": 16, "num_train": 20, "num_val": 4, "num_test": 4},
    "model": {"type": "resnet9", "width": 2},
    "transforms": {"train": ["random_horizontal_flip", "normalize"], "eval": ["normalize"]},
    "optimizer": {"type": "sgd", "lr": 0.05, "momentum": 0.9},
    "train": {"epochs": 2, "device": "cpu"},
    "loader": {"batch_size": 4, "num_workers": 0},
}
"""Five steps an epoch."""

STEADY = {
    "constant": {"type": "constant", "warmup_epochs": 1.5},
    "step": {"type": "step", "every_epochs": 1},
    "exponential": "exponential",
    "reduce_on_plateau": {"type": "reduce_on_plateau", "monitor": "train/loss", "mode": "max", "patience": 0},
}


def stopped(train, stop_at, recipe, looks=4):
    stop_at(looks)
    with pytest.raises(imgfw.InterruptedRun) as interrupted:
        train(recipe, "stopped")
    stop_at(0)
    return interrupted.value.hint.rpartition("--resume ")[2]


def rates(folder):
    last = checkpoint.load((folder / "checkpoints" / "last").resolve())
    return [row["lr"] for row in last.state["progress"]["history"]]


@pytest.mark.parametrize("scheduler", STEADY)
def test_a_finished_run_made_longer_ends_like_one_that_was_planned_so(train, scheduler):
    recipe = {**SHORT, "scheduler": STEADY[scheduler]}
    straight = train(recipe, "straight", {"train.epochs": 3})
    short = train(recipe, "short")
    longer = runs.resume(short.folder, overrides=["train.epochs=3"], quiet=True)
    assert longer.status == "completed"
    assert fingerprint(longer.folder) == fingerprint(straight.folder)


def test_a_stopped_run_made_longer_ends_like_one_that_was_planned_so(train, stop_at):
    recipe = {**SHORT, "scheduler": "constant"}
    straight = train(recipe, "straight", {"train.epochs": 3})
    longer = runs.resume(stopped(train, stop_at, recipe), overrides=["train.epochs=3"], quiet=True)
    assert fingerprint(longer.folder) == fingerprint(straight.folder)


@pytest.mark.parametrize("scheduler", ["cosine", "one_cycle", "polynomial"])
def test_a_schedule_over_the_whole_run_goes_on_with_the_curve_of_the_new_length(train, scheduler):
    recipe = {**SHORT, "scheduler": scheduler}
    curve = rates(train(recipe, "straight", {"train.epochs": 3}).folder)
    short = train(recipe, "short")
    before = rates(short.folder)
    after = rates(runs.resume(short.folder, overrides=["train.epochs=3"], quiet=True).folder)
    assert after[:2] == before
    assert after[2:] == curve[2:]
    assert before[1] != curve[1]  # the short run had another curve


def test_a_length_in_steps_may_take_the_place_of_one_in_epochs(train):
    short = train({**SHORT, "scheduler": "constant"}, "short")
    longer = runs.resume(short.folder, overrides=["train.epochs=null", "train.steps=14"], quiet=True)
    assert longer.summary["steps"] == 14


def test_a_run_may_be_told_to_end_where_it_is(train, stop_at):
    folder = stopped(train, stop_at, SHORT, looks=5)  # after the last step of the first epoch
    ended = runs.resume(folder, overrides=["train.epochs=1"], quiet=True)
    assert (ended.status, ended.summary["epochs"], ended.summary["steps"]) == ("completed", 1, 5)


def test_a_run_that_ended_within_an_epoch_cannot_be_made_longer(train):
    short = train(SHORT, "short", {"train.epochs": None, "train.steps": 7})
    with pytest.raises(imgfw.UsageError, match="ended 3 steps before the end of an epoch"):
        runs.resume(short.folder, overrides=["train.steps=10"], quiet=True)


def test_more_epochs_do_not_wake_a_run_that_a_callback_stopped(train, capsys):
    stop = {"type": "early_stopping", "monitor": "train/loss", "mode": "max", "patience": 1}
    ended = train({**SHORT, "callbacks": [stop]}, "runs", {"train.epochs": 4})
    assert ended.status == "stopped"
    again = runs.resume(ended.folder, overrides=["train.epochs=6"])
    assert again.summary == ended.summary
    assert "stopped); there is nothing to resume" in capsys.readouterr().out
    patient = ["callbacks[0].patience=2"]
    longer = runs.resume(ended.folder, overrides=patient, allow_changes=True, quiet=True)
    assert longer.summary["epochs"] == ended.summary["epochs"] + 1  # it had waited for one epoch already
    assert longer.status == "stopped"


def test_all_changes_are_named_at_once_with_their_class(train, stop_at):
    folder = stopped(train, stop_at, SHORT, looks=8)
    words = ["seed=4", "train.log_every=7", "train.epochs=1", "optimizer.lr=0.1", "model.width=16"]
    with pytest.raises(imgfw.UsageError) as refused:
        runs.resume(folder, overrides=words, allow_changes=True, quiet=True)
    text = str(refused.value)
    assert "impossible: model.width: 2 -> 16 (Start a new run.)" in text
    assert "impossible: train.epochs: 2 -> 1" in text
    assert "changes the trajectory: optimizer.lr: 0.05 -> 0.1\n" in text
    assert "changes the trajectory: seed: 0 -> 4\n" in text
    assert "safe: train.log_every: 100 -> 7\n" in text
    assert f"--set model.pretrained={folder}/checkpoints/best/model.safetensors" in text


def test_what_changes_the_trajectory_must_be_allowed(train, stop_at):
    folder = stopped(train, stop_at, SHORT)
    before = json.loads((runs.Path(folder) / "recipe.resolved.json").read_text())
    with pytest.raises(
        imgfw.UsageError, match=r"(?s)changes the trajectory: optimizer\.lr: .*--allow-changes"
    ):
        runs.resume(folder, overrides=["optimizer.lr=0.1"], quiet=True)
    assert json.loads((runs.Path(folder) / "recipe.resolved.json").read_text()) == before


def test_an_allowed_change_takes_effect_and_is_written_down(train, stop_at):
    recipe = {**SHORT, "scheduler": "constant"}
    folder = runs.Path(stopped(train, stop_at, recipe, looks=8))
    runs.resume(folder, overrides=["optimizer.lr=0.01"], allow_changes=True, quiet=True)
    assert rates(folder) == [0.05, 0.01]
    assert json.loads((folder / "recipe.resolved.json").read_text())["optimizer"]["lr"] == 0.01
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    (change,) = [event for event in events if event["event"] == "change"]
    del change["time"]
    assert change == {"event": "change", "step": 7, "path": "optimizer.lr", "old": 0.05, "new": 0.01}


def test_an_accepted_change_holds_where_the_process_ended_before_it_saved(train, stop_at):
    folder = runs.Path(stopped(train, stop_at, {**SHORT, "scheduler": "constant"}, looks=8))
    shutil.copytree(folder / "checkpoints", folder / "earlier", symlinks=True)
    runs.resume(folder, overrides=["optimizer.lr=0.01"], allow_changes=True, quiet=True)
    expected = fingerprint(folder)
    shutil.rmtree(folder / "checkpoints")
    (folder / "earlier").rename(folder / "checkpoints")
    runs.resume(folder, quiet=True)
    assert fingerprint(folder) == expected


def test_data_of_other_classes_is_refused(train):
    state = checkpoint.load_newest(train(SHORT).folder / "checkpoints")[0].state
    info = imgfw.DatasetInfo(**state["info"])
    refuse_other_data(info, state)
    for change, message in (
        ({"classes": ("circle", "ring", "cross")}, r"other classes .*: circle, ring, cross, and not circle,"),
        ({"channels": 1}, r"other channels .*: 1, and not 3\."),
    ):
        with pytest.raises(imgfw.DataError, match=message):
            refuse_other_data(dataclasses.replace(info, **change), state)


def test_another_batch_size_goes_on_at_the_same_part_of_the_epoch(train, stop_at):
    folder = runs.Path(stopped(train, stop_at, SHORT, looks=2))  # 2 of 5 steps
    done = runs.resume(folder, overrides=["loader.batch_size=2"], allow_changes=True, quiet=True)
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert next(event["step"] for event in events if event["event"] == "resume") == 4
    assert done.summary["steps"] == 20


def test_a_recipe_that_says_the_same_is_no_change(train, stop_at):
    straight = fingerprint(train(SHORT, "straight").folder)
    folder = runs.Path(stopped(train, stop_at, SHORT))
    recipe = json.loads((folder / "recipe.json").read_text())
    assert fingerprint(runs.resume(folder, recipe, quiet=True).folder) == straight


def test_what_auto_became_stays_on_another_machine(train, stop_at, monkeypatch):
    recipe = {key: value for key, value in SHORT.items() if key != "loader"}
    recipe["loader"] = {"batch_size": 300}
    folder = runs.Path(stopped(train, stop_at, recipe))
    choose = "imgfw.engine.input.supply.choose_num_workers"
    monkeypatch.setattr(choose, lambda *_: pytest.fail("chosen again"))
    runs.resume(folder, json.loads((folder / "recipe.json").read_text()), quiet=True)
    assert json.loads((folder / "recipe.resolved.json").read_text())["loader"]["num_workers"] == 0


def test_another_aim_looks_for_the_best_anew(train, stop_at):
    folder = stopped(train, stop_at, SHORT, looks=8)
    changed = ["checkpoint.monitor=train/loss", "checkpoint.mode=max"]  # the first epoch had the highest
    done = runs.resume(folder, overrides=changed, allow_changes=True, quiet=True)
    assert done.summary["best"]["epoch"] == 2


def test_other_versions_and_another_machine_are_said(train, stop_at, capsys):
    folder = runs.Path(stopped(train, stop_at, SHORT))
    for name, path, value in (
        ("recipe.resolved.json", ["resolved_with", "imgfw"], "0.0.1"),
        ("environment.json", ["packages", "torch"], "1.0"),
        ("environment.json", ["cpu", "threads"], 64),
    ):
        data = json.loads((folder / name).read_text())
        data[path[0]][path[1]] = value
        (folder / name).write_text(json.dumps(data))
    runs.resume(folder)
    out = capsys.readouterr().out
    assert f"warning: imgfw is {imgfw.__version__} now, and was 0.0.1 when the run was trained." in out
    assert f"rounding may differ from here on: torch 1.0 -> {version('torch')}, threads 64 -> 1." in out


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (["a", "b"], ["a", "b"], [0, 1]),
        (["a", "b"], ["b", "a"], [1, 0]),
        (["a", "b"], ["b"], [1]),
        (["a"], ["c", "a"], [None, 0]),
        (["a", "a2"], ["a2", "a3"], [1, 0]),
        (["a"], ["a", "a"], [0, None]),
    ],
)
def test_callbacks_keep_their_state_by_what_they_are(before, now, expected):
    def callback(word):
        return {"type": word[0], "setting": word[1:]}

    assert origins([callback(word) for word in before], [callback(word) for word in now]) == expected


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(imgfw.UsageError, match="is not the folder of a run"):
        runs.resume(tmp_path, quiet=True)


def test_a_checkpoint_is_told_from_its_run(train):
    folder = train(SHORT, changes={"train.epochs": 1}).folder
    with pytest.raises(imgfw.UsageError, match=f"only a part of the run {folder}"):
        runs.resume(folder / "checkpoints" / "last", quiet=True)


def test_a_run_without_a_checkpoint_is_named(train, stop_at):
    folder = runs.Path(stopped(train, stop_at, SHORT))
    for place in checkpoint.ordered(folder / "checkpoints"):
        (place / "manifest.json").unlink()
    with pytest.raises(imgfw.DataError, match="holds no whole checkpoint"):
        runs.resume(folder, quiet=True)


def test_a_run_that_is_being_trained_is_left_alone_until_its_process_is_gone(train, stop_at):
    folder = runs.Path(stopped(train, stop_at, SHORT))
    code = (
        "import fcntl, sys\n"
        f"file = open({str(folder / '.lock')!r}, 'w')\n"
        "fcntl.lockf(file, fcntl.LOCK_EX)\n"
        "print('process 7 on the moon', file=file, flush=True)\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with other:
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(imgfw.UsageError, match="is being trained by process 7 on the moon"):
            runs.resume(folder, quiet=True)
        other.kill()
        other.wait()
        assert runs.resume(folder, quiet=True).status == "completed"


def test_a_run_that_lacks_its_end_only_is_extended_too(train):
    folder = train(CLASSIFICATION, changes={"train.epochs": 1}).folder
    (folder / "summary.json").unlink()  # as where it was stopped in its final test
    assert runs.resume(folder, overrides=["train.epochs=2"], quiet=True).summary["epochs"] == 2


def test_samples_that_came_or_went_are_said():
    info = imgfw.DatasetInfo(task="classification", classes=("a", "b"), class_counts=(3, 4))
    state = {"info": dataclasses.asdict(info)}
    assert other_samples(info, state) is None
    fewer = dataclasses.replace(info, class_counts=(3, 3))
    assert "has 6 samples, not those 7 that the run began with" in other_samples(fewer, state)


def test_what_auto_became_in_the_optimizer_is_written_down_and_stays(train, stop_at):
    straight = fingerprint(train(SHORT, "straight").folder)
    folder = runs.Path(stopped(train, stop_at, SHORT))
    assert json.loads((folder / "recipe.resolved.json").read_text())["optimizer"]["fused"] is True
    runs.resume(folder, {**SHORT, "output_dir": str(folder.parent)}, quiet=True)  # auto is no change
    assert fingerprint(folder) == straight


def test_a_run_of_an_imgfw_that_noted_auto_as_it_was_goes_on_alike(train, stop_at):
    recipe = {**SHORT, "scheduler": "one_cycle"}
    straight = fingerprint(train(recipe, "straight").folder)
    folder = runs.Path(stopped(train, stop_at, recipe))
    resolved = json.loads((folder / "recipe.resolved.json").read_text())
    resolved["optimizer"]["fused"] = "auto"
    (folder / "recipe.resolved.json").write_text(json.dumps(resolved))
    last = (folder / "checkpoints" / "last").resolve()
    found = checkpoint.load(last)
    found.state["built_from"]["optimizer"]["fused"] = "auto"
    checkpoint.save(last, found.model, found.state)
    runs.resume(folder, quiet=True)
    assert fingerprint(folder) == straight


def test_weights_to_begin_with_are_advised_for_models_that_take_a_file(train, stop_at, tmp_path):
    plugin = tmp_path / "plain.py"
    plugin.write_text(
        "import imgfw\n\n"
        "def plain(info, *, width: int = 4, pretrained: bool = False):\n"
        '    """One layer."""\n'
        "    from torch import nn\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(info.channels * 256, info.num_classes))\n\n"
        "@imgfw.hookimpl\n"
        "def imgfw_models():\n"
        "    return [plain]\n"
    )
    folder = stopped(train, stop_at, {**SHORT, "plugins": [str(plugin)], "model": "plain"})
    for change in ("model.width=9", "model=resnet9"):
        with pytest.raises(imgfw.UsageError, match=r"(?s)impossible: model.* or start a new run\.$"):
            runs.resume(folder, overrides=[change], quiet=True)
