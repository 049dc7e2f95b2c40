"""Signals to a running command, from another process: to it alone, or to its whole process group."""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import traceback
from pathlib import Path

import imgfw
import pytest
from imgfw.cli import application
from imgfw.engine import runs

from .conftest import CLASSIFICATION, FAULTY, fingerprint

PLUGIN = str(Path(__file__).with_name("marking.py"))
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGUSR1: 138}


class Command:
    """The command in a process group of its own, forked from this process, which has imported torch."""

    def __init__(self, folder, recipe):
        self.folder = folder
        (folder / "recipe.json").write_text(json.dumps({**recipe, "output_dir": str(folder / "runs")}))
        self._marks = os.open(folder / "fifo", os.O_RDONLY | os.O_NONBLOCK)
        self._pid = os.fork()
        if not self._pid:
            self._become(["-p", PLUGIN, "run", str(folder / "recipe.json")])
        os.setpgid(self._pid, self._pid)

    def _become(self, words):
        code = 70
        try:
            os.setpgid(0, 0)
            gc.freeze()
            output = os.open(self.folder / "output", os.O_WRONLY | os.O_CREAT)
            os.dup2(output, 1)
            os.dup2(output, 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            application.main(words, prog_name="imgfw")
        except SystemExit as end:
            code = end.code
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def signal_when_marked(self, number, group=False):
        """Wait until the plugin marks a point, and send a signal."""
        ready, _, _ = select.select([self._marks], [], [], 30)
        assert ready, self.output
        os.close(self._marks)
        (os.killpg if group else os.kill)(self._pid, number)

    def wait(self):
        """The exit code; nothing of the process group outlives it."""
        _, status = os.waitpid(self._pid, 0)
        with pytest.raises(ProcessLookupError):
            os.killpg(self._pid, 0)
        return os.waitstatus_to_exitcode(status)

    @property
    def output(self):
        return (self.folder / "output").read_text()


@pytest.fixture
def fifo(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    return str(tmp_path / "fifo")


@pytest.mark.parametrize(
    ("number", "group"), [(signal.SIGINT, False), (signal.SIGTERM, True), (signal.SIGUSR1, True)]
)
def test_a_signal_in_training_saves_and_leaves_with_its_code(tmp_path, fifo, number, group):
    """Workers neither die of a signal to all processes, nor outlive the run."""
    recipe = {
        **CLASSIFICATION,
        "callbacks": [{"type": "mark", "fifo": fifo, "step": 3}],
        "loader": {"batch_size": 300, "num_workers": 2},
        "train": {"epochs": 100000, "device": "cpu"},
    }
    command = Command(tmp_path, recipe)
    command.signal_when_marked(number, group)
    assert command.wait() == CODES[number], command.output
    run = tmp_path / "runs" / "tiny"
    assert f"Stopped by {number.name} after step" in command.output
    assert f"imgfw run --resume {run}" in command.output
    assert "Traceback" not in command.output
    summary = json.loads((run / "summary.json").read_text())
    state = json.loads((run / "checkpoints" / "last" / "state.json").read_text())
    assert summary["status"] == "interrupted"
    assert summary["steps"] >= 3
    assert f'"step": {summary["steps"]}' in json.dumps(state)


@pytest.mark.parametrize(
    ("phase", "number", "group"),
    [
        ("listing", signal.SIGTERM, False),
        ("statistics", signal.SIGUSR1, False),
        ("targets", signal.SIGINT, True),
    ],
)
def test_a_signal_before_the_first_step_stops_at_once_and_leaves_no_folder(
    tmp_path, fifo, phase, number, group
):
    recipe = {
        "name": "tiny",
        "data": {"type": "endless", "fifo": fifo, "phase": phase},
        "task": "classification",
        "model": {"type": "resnet9", "width": 8},
        "transforms": {"train": ["normalize"]},
        "loader": {"num_workers": 2},
        "train": {"device": "cpu"},
    }
    command = Command(tmp_path, recipe)
    command.signal_when_marked(number, group)
    assert command.wait() == CODES[number], command.output
    assert "Stopped before the first step." in command.output
    assert "Traceback" not in command.output
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_signal_in_the_final_test_is_a_stop_and_the_resumed_run_tests_what_is_best(
    train, stop_at, tmp_path
):
    straight = train(FAULTY, "straight")
    stop_at(13)  # ten steps, two evaluations, and the first batch of the test
    with pytest.raises(
        imgfw.InterruptedRun, match="Stopped by SIGTERM after step 10; the state is saved"
    ) as stop:
        train(FAULTY, "stopped")
    assert stop.value.exit_code == 143
    stop_at(0)
    resumed = runs.resume(tmp_path / "stopped" / "tiny", quiet=True)
    assert resumed.summary["test"] == straight.summary["test"]
    assert fingerprint(resumed.folder) == fingerprint(straight.folder)
