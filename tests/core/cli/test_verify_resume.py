"""Trying whether a recipe resumes, through the command."""

from __future__ import annotations

import json

import pytest

COUNTING = '''
import random
import imgfw

class Shrink(imgfw.Callback):
    """Shrinks the weights at every third step that it counted."""

    def __init__(self) -> None:
        self.count = 0

    def on_step_end(self, run):
        self.count += 1
        if self.count % 3 == 0:
            for parameter in run.model.parameters():
                parameter.data.mul_(0.9)

class Remembering(Shrink):
    """Shrinks the weights, and saves its count."""

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]

class Timed(imgfw.Callback):
    """Saves what is another number each time."""

    def state_dict(self):
        return {"seconds": random.SystemRandom().random()}

class Noise(imgfw.Callback):
    """Moves the weights by chance."""

    def on_step_end(self, run):
        for parameter in run.model.parameters():
            parameter.data.mul_(1 + random.SystemRandom().random())

@imgfw.hookimpl
def imgfw_callbacks():
    return [Shrink, Remembering, Timed, Noise]
'''


@pytest.fixture
def verify(imgfw, write_recipe, tmp_path, tiny_plugin_file):
    """Verify a tiny recipe of five steps an epoch with some callbacks: `verify("shrink", "--json")`."""
    (tmp_path / "counting.py").write_text(COUNTING)
    (tmp_path / "tiny.py").write_text(tiny_plugin_file.read_text())

    def run(callbacks, *words):
        recipe = write_recipe(
            plugins=["./counting.py", "./tiny.py"],
            data={"type": "shapes", "image_size": 16, "num_train": 20, "num_val": 4, "num_test": 4},
            model="tinynet",
            transforms={"train": ["to_float"], "eval": ["to_float"]},
            callbacks=callbacks,
            train={"device": "cpu"},
            loader={"batch_size": 4, "num_workers": 0},
        )
        return imgfw("verify-resume", recipe, *words)

    return run


def test_a_recipe_that_resumes_is_told_so(verify):
    result = verify(["early_stopping", "remembering"])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("24 steps, 5 an epoch; 2 interruptions, resumed from step ")
    assert {line.split()[0] for line in lines[1:]} == {"equal"}
    names = {line.split(maxsplit=1)[1] for line in lines[1:]}
    parts = {"model", "optimizer", "schedule", "progress", "generators", "metrics.csv", "best", "best model"}
    assert parts <= names
    assert "callbacks[0] imgfw/early_stopping" in names


def test_a_callback_that_forgets_is_named(verify):
    result = verify(["early_stopping", "shrink"])
    assert result.exit_code == 4
    assert "differs  model" in result.stdout
    assert "equal    schedule" in result.stdout
    assert "not the same after resuming: callbacks[1] counting.py/shrink: count: " in result.stdout
    assert "The interrupted run ended with another model." in result.stderr


def test_a_state_that_varies_by_itself_is_no_fault_of_resuming(verify):
    result = verify(["timed"], "--steps", "4", "--interruptions", "1")
    assert result.exit_code == 0, result.output
    assert "varies  callbacks[0] counting.py/timed  seconds: " in result.stdout


def test_a_training_that_is_not_repeatable_cannot_be_verified(verify):
    result = verify(["noise"], "--steps", "4", "--interruptions", "1")
    assert result.exit_code == 4
    assert "Two runs without interruptions differ too" in result.stderr


def test_the_seed_chooses_where_and_nothing_stays_behind(verify, tmp_path):
    words = ["--steps", "9", "--interruptions", "3", "--json"]
    found = [json.loads(verify([], *words, "--seed", str(seed)).stdout) for seed in (0, 0, 1)]
    assert found[0] == found[1]
    assert found[0]["resumed_from"] != found[2]["resumed_from"]
    assert (found[0]["format"], found[0]["passed"], found[0]["steps"]) == (1, True, 9)
    assert len(found[0]["resumed_from"]) == 3
    assert not (tmp_path / "runs").exists()


def test_an_epoch_of_some_length_is_spanned(verify):
    words = ["--set", "data.num_train=112", "--json"]  # 28 steps of 4
    found = json.loads(verify([], *words).stdout)
    assert (found["steps_per_epoch"], found["steps"]) == (28, 42)


def test_a_killed_process_is_gone_on_with(verify, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    result = verify(["remembering"], "--kill", "--steps", "12", "--interruptions", "1", "--json")
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["resumed_from"]) == 1


def test_what_cannot_be_trained_is_an_error_of_its_own(verify):
    result = verify([], "--set", "model=resnet19")
    assert result.exit_code == 2
    assert "resnet19" in result.stderr


@pytest.mark.parametrize("words", [[], ["--kill"]])
def test_a_run_that_the_error_names_is_kept(verify, monkeypatch, tmp_path, words):
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    diverging = ["--set", "optimizer.lr=1e30", "--set", "optimizer.type=sgd", "--steps", "8"]
    result = verify([], *diverging, *words)
    assert result.exit_code == 5
    [folder] = place.glob("imgfw-verify-*/straight/*")
    assert f"The run is in {folder}." in result.stderr
    assert (folder / "summary.json").is_file()


def test_a_verification_that_fails_leaves_nothing_that_it_does_not_name(verify, monkeypatch, tmp_path):
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    assert verify([], "--set", "model=resnet19").exit_code == 2
    assert verify(["noise"], "--steps", "2", "--interruptions", "1").exit_code == 4
    assert not list(place.iterdir())
