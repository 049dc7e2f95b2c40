"""What callbacks are told, and callbacks that are given to `imgfw.run`."""

from __future__ import annotations

import csv
import json
import logging
from pathlib import Path
from typing import Any

import imgfw
import pytest

from .conftest import CLASSIFICATION

SHORT: dict[str, Any] = CLASSIFICATION | {"train": {"epochs": 2, "log_every": 2, "device": "cpu"}}


class Follower(imgfw.Callback):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.logged: list[tuple[int, dict[str, float]]] = []
        self.ends: list[tuple[str, bool]] = []
        self.bests: list[int | None] = []

    def on_epoch_end(self, run: imgfw.Run) -> None:
        run.log("mine", run.epoch * 10)

    def on_log(self, run: imgfw.Run) -> None:
        self.logged.append((run.step, run.logged))
        self.bests.append(run.best.epoch if run.best else None)

    def on_session_end(self, run: imgfw.Run) -> None:
        self.ends.append((run.status, (run.folder / "summary.json").exists()))


def run_with(folder: Path, *callbacks: imgfw.Callback, **changes: Any) -> imgfw.RunResult:
    recipe = SHORT | {"output_dir": str(folder)} | changes
    return imgfw.run(recipe, callbacks=callbacks, quiet=True)


def test_what_was_recorded_is_told_within_an_epoch_and_after_it(tmp_path: Path) -> None:
    follower = Follower()
    result = run_with(tmp_path, follower)
    events = [json.loads(line) for line in (result.folder / "events.jsonl").read_text().splitlines()]
    of_steps = {event["step"]: event for event in events if event["event"] == "step"}
    within = {step: logged for step, logged in follower.logged if set(logged) == {"train/loss", "lr"}}
    assert within.keys() == of_steps.keys() != set()
    for step, logged in within.items():
        assert logged == {name: of_steps[step][name] for name in logged}
    with (result.folder / "metrics.csv").open(newline="") as file:
        rows = {int(row.pop("step")): row for row in csv.DictReader(file)}
    after = {step: logged for step, logged in follower.logged if step not in within or "mine" in logged}
    assert after.keys() == rows.keys()
    for step, logged in after.items():
        assert set(logged) == {*rows[step], "images_per_second"} - {"epoch"}
        assert logged["mine"] == float(rows[step]["mine"])


def test_the_best_epoch_is_known_when_an_epoch_is_recorded(tmp_path: Path) -> None:
    follower = Follower()
    run_with(tmp_path, follower, train={"epochs": 1, "log_every": 1000})
    assert follower.bests == [1]


def test_a_stop_when_an_epoch_is_recorded_ends_the_training(tmp_path: Path) -> None:
    class Stopper(imgfw.Callback):
        def on_log(self, run: imgfw.Run) -> None:
            if "val/accuracy" in run.logged:
                run.stop = "enough"

    result = run_with(tmp_path, Stopper())
    assert (result.status, result.summary["stop_reason"], result.summary["epochs"]) == (
        "stopped",
        "enough",
        1,
    )


def test_the_end_of_a_session_comes_last_and_knows_how_it_ended(tmp_path: Path) -> None:
    follower = Follower()
    run_with(tmp_path, follower, train={"epochs": 1})
    assert follower.ends == [("completed", True)]


def test_the_end_of_a_session_comes_after_an_error_as_well(tmp_path: Path) -> None:
    class Clumsy(imgfw.Callback):
        def on_step_end(self, run: imgfw.Run) -> None:
            raise ValueError("clumsy")

    follower = Follower()
    with pytest.raises(ValueError, match="clumsy"):
        run_with(tmp_path, Clumsy(), follower)
    assert follower.ends == [("failed", True)]


def test_the_end_of_a_session_comes_after_an_interruption(tmp_path: Path, stop_at: Any) -> None:
    follower = Follower()
    stop_at(3)
    with pytest.raises(imgfw.InterruptedRun):
        run_with(tmp_path, follower)
    assert follower.ends == [("interrupted", True)]


def test_what_goes_wrong_at_the_end_of_a_session_changes_no_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Clumsy(imgfw.Callback):
        def on_session_end(self, run: imgfw.Run) -> None:
            raise OSError("the line is dead")

    follower = Follower()
    recipe = SHORT | {"output_dir": str(tmp_path), "train": {"epochs": 1}}
    assert imgfw.run(recipe, callbacks=[Clumsy(), follower]).status == "completed"
    assert follower.ends == [("completed", True)]
    assert "Clumsy.on_session_end: OSError: the line is dead" in capsys.readouterr().out


def test_given_callbacks_come_after_the_recipes_and_are_no_part_of_it(tmp_path: Path, stop_at: Any) -> None:
    follower = Follower()
    stop_at(3)
    with pytest.raises(imgfw.InterruptedRun):
        run_with(tmp_path, follower)
    (folder,) = tmp_path.iterdir()
    stop_at(0)
    recipe = json.loads((folder / "recipe.resolved.json").read_text())
    assert [callback["type"] for callback in recipe["callbacks"]] == ["imgfw/early_stopping"]
    from imgfw.engine import runs

    assert runs.resume(folder, quiet=True).status == "completed"
    assert follower.ends == [("interrupted", True)]


class Speaker(imgfw.Callback):
    """Says something at every event."""

    def on_epoch_end(self, run: imgfw.Run) -> None:
        logging.getLogger("imgfw.speaker").info("epoch %d is over", run.epoch)

    def on_session_end(self, run: imgfw.Run) -> None:
        logging.getLogger("imgfw.speaker").warning("the session is over")


def test_what_a_callback_logs_is_printed_among_the_runs_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    imgfw.run(SHORT | {"output_dir": str(tmp_path)}, callbacks=[Speaker()])
    out, err = capsys.readouterr()
    lines = [line for line in out.splitlines() if line.endswith("is over")]
    assert lines == ["epoch 1 is over", "epoch 2 is over", "the session is over"]
    assert "over" not in err


def test_a_quiet_run_lets_warnings_through_to_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])  # pytest's own, which would take them
    imgfw.run(SHORT | {"output_dir": str(tmp_path)}, callbacks=[Speaker()], quiet=True)
    assert capsys.readouterr() == ("", "the session is over\n")


def test_what_is_no_callback_is_refused(train, tmp_path):
    plugin = tmp_path / "noisy.py"
    plugin.write_text(
        "import imgfw\n\ndef noisy():\n"
        '    """Nothing."""\n'
        "    return object()\n\n"
        "@imgfw.hookimpl\ndef imgfw_callbacks():\n    return [noisy]\n"
    )
    with pytest.raises(imgfw.PluginError, match=r"callbacks\[0\]: noisy.py/noisy returned no imgfw.Callback"):
        train({**CLASSIFICATION, "plugins": [str(plugin)], "callbacks": ["noisy"]})
