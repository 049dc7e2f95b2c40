"""A run that was stopped and resumed ends with the same bytes as one that never was."""

from __future__ import annotations

import imgfw
import pytest
from imgfw.engine import runs
from imgfw.engine.saving import checkpoint

from tests.core.engine.conftest import CLASSIFICATION, RECIPES, fingerprint


def interrupt(train, stop_at, recipe, folder, looks):
    """Start a run and have it stopped; return its folder."""
    stop_at(looks)
    with pytest.raises(imgfw.InterruptedRun) as stopped:
        train(recipe, folder)
    stop_at(0)
    assert stopped.value.exit_code == 143
    return stopped.value.hint.rpartition("--resume ")[2]


@pytest.mark.parametrize("task", RECIPES)
def test_a_run_stopped_anywhere_ends_like_one_that_was_not(train, stop_at, task):
    straight = fingerprint(train(RECIPES[task], "straight").folder)
    looks = {"classification": (1, 4, 5, 6, 7, 11), "segmentation": (2, 4), "detection": (2, 3)}[task]
    for number in looks:  # within an epoch, at its end, and while it is evaluated
        folder = interrupt(train, stop_at, RECIPES[task], f"stopped-{number}", number)
        assert fingerprint(runs.resume(folder, quiet=True).folder) == straight, f"stopped at look {number}"


def test_a_run_stopped_three_times_ends_like_one_that_was_not(train, stop_at):
    straight = fingerprint(train(CLASSIFICATION, "straight").folder)
    folder = interrupt(train, stop_at, CLASSIFICATION, "stopped", 2)
    for looks in (1, 4):
        stop_at(looks)
        with pytest.raises(imgfw.InterruptedRun):
            runs.resume(folder, quiet=True)
        stop_at(0)
    assert fingerprint(runs.resume(folder, quiet=True).folder) == straight


def test_a_damaged_checkpoint_is_left_out_and_the_one_before_it_used(train, stop_at, tmp_path):
    straight = fingerprint(train(CLASSIFICATION, "straight").folder)
    folder = interrupt(train, stop_at, CLASSIFICATION, "stopped", 11)
    newest = checkpoint.ordered(tmp_path / "stopped" / "tiny" / "checkpoints")[-1]
    weights = newest / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-7] ^= 1
    weights.write_bytes(bytes(content))
    assert fingerprint(runs.resume(folder, quiet=True).folder) == straight


def test_a_finished_run_is_left_as_it_is(train, capsys):
    result = train(CLASSIFICATION, changes={"train.epochs": 1})
    before = fingerprint(result.folder)
    again = runs.resume(result.folder)
    assert "nothing to resume" in capsys.readouterr().out
    assert again.summary == result.summary
    assert fingerprint(result.folder) == before


def test_a_stopped_run_says_so_in_its_summary(train, stop_at, tmp_path):
    interrupt(train, stop_at, CLASSIFICATION, "stopped", 2)
    summary = runs.RunFolder.open(tmp_path / "stopped" / "tiny").read_json("summary.json")
    assert summary["status"] == "interrupted"
    assert summary["stop_reason"] == "SIGTERM after step 2"
