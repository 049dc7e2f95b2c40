"""The trials of a verification end with it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import pytest
from imgfw import InterruptedRun
from imgfw.engine.resuming import trials
from imgfw.engine.temporary import nothing_kept

SLEEPER = "import os, pathlib, time; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(60)"


def test_a_process_that_trains_does_not_outlive_the_signal_that_ends_the_trial(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def stop_when_it_sleeps():
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop_when_it_sleeps, daemon=True).start()
    with pytest.raises(InterruptedRun, match="The proof was stopped"), nothing_kept("The proof"):
        trials._run_until(None, [sys.executable, "-c", SLEEPER], tmp_path)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
