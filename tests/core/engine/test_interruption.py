"""Signals are requests to stop, until somebody insists."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading

import imgfw
import pytest
from imgfw.engine import runs, session
from imgfw.engine.interruption import Interruption, ignore_signals_in_worker, watch_signals
from imgfw.engine.saving.lock import only_trainer

from .conftest import CLASSIFICATION


def send(number):
    os.kill(os.getpid(), number)


def saving():
    """What watches a run that has something to save."""
    interruption = Interruption()
    interruption.at_once = False
    return interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_is_noted_and_nothing_else_happens(number):
    interruption = saving()
    with watch_signals(interruption):
        assert not interruption.requested()
        send(number)
        assert interruption.requested()
        assert interruption.signal_number == number


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_sigint_after_another_signal_stops_at_once(first):
    interruption = saving()
    with watch_signals(interruption):
        send(first)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
        assert interruption.signal_number == first


def test_a_second_sigterm_changes_nothing():
    interruption = saving()
    with watch_signals(interruption):
        send(signal.SIGTERM)
        send(signal.SIGTERM)
        assert interruption.requested()


def _work(connection):
    ignore_signals_in_worker(0)
    for _ in iter(connection.recv, None):
        connection.send("alive")


def test_a_worker_obeys_only_the_process_that_it_works_for():
    processes = multiprocessing.get_context("fork")
    here, there = processes.Pipe()
    worker = processes.Process(target=_work, args=(there,), daemon=True)
    worker.start()
    there.close()
    here.send("ready?")
    assert here.recv() == "alive"
    for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGTERM):
        stranger = processes.Process(target=os.kill, args=(worker.pid, number))
        stranger.start()
        stranger.join()
        here.send("still there?")
        assert here.recv() == "alive"
    worker.terminate()
    worker.join(30)
    assert worker.exitcode == 0


def test_the_signals_are_given_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(RuntimeError), watch_signals(saving()):
        assert signal.getsignal(signal.SIGINT) != before[0]
        raise RuntimeError
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_in_another_thread_signals_are_left_to_the_main_one():
    before, seen = signal.getsignal(signal.SIGINT), []

    def watch():
        interruption = saving()
        with watch_signals(interruption):
            seen.append((interruption.requested(), signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join()
    assert seen == [(False, before)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_before_there_is_anything_to_save_the_first_signal_stops_at_once(number):
    interruption = Interruption()
    with watch_signals(interruption), pytest.raises(KeyboardInterrupt):
        send(number)
    assert interruption.signal_number == number


def test_a_signal_before_the_session_ends_the_command_and_leaves_nothing(train, monkeypatch, tmp_path):
    monkeypatch.setattr(runs, "only_trainer", lambda path: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(imgfw.InterruptedRun, match="Stopped before the first step") as stopped:
        train(CLASSIFICATION)
    assert stopped.value.exit_code == 143
    assert not list((tmp_path / "runs").iterdir())
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("place", ["build_data", "choose_device", "start_lines"])
def test_a_signal_before_a_run_goes_on_changes_nothing_of_it(place, train, stop_at, monkeypatch, tmp_path):
    stop_at(3)
    with pytest.raises(imgfw.InterruptedRun):
        train(CLASSIFICATION)
    [folder] = (tmp_path / "runs").iterdir()
    summary = (folder / "summary.json").read_text()
    stop_at(0)
    assert json.loads(summary)["status"] == "interrupted"
    with monkeypatch.context() as stopped_again:
        stopped_again.setattr(session, place, lambda *given, **more: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(imgfw.InterruptedRun, match="before the run went on") as stopped:
            runs.resume(folder, quiet=True)
    assert stopped.value.exit_code == 143
    assert f"imgfw run --resume {folder}" in stopped.value.hint
    assert (folder / "summary.json").read_text() == summary
    last = json.loads((folder / "events.jsonl").read_text().splitlines()[-1])
    assert (last["event"], last["status"]) == ("end", "interrupted")
    assert runs.resume(folder, quiet=True).status == "completed"


def test_a_lock_that_cannot_be_written_is_named_with_the_free_bytes(tmp_path):
    with (
        pytest.raises(imgfw.ImgfwError, match=r"missing/\.lock cannot be written: .* bytes are free"),
        only_trainer(tmp_path / "missing"),
    ):
        pytest.fail("not locked")


def test_a_lock_names_its_holder_while_it_is_held_and_leaves_no_trace(tmp_path):
    lock = tmp_path / ".lock"
    lock.write_text("process 1 on elsewhere\n")  # of a run that was killed
    with pytest.raises(imgfw.UsageError, match="refused"), only_trainer(tmp_path):
        assert lock.read_text().startswith(f"process {os.getpid()} on ")
        raise imgfw.UsageError("refused")
    assert lock.read_text() == "process 1 on elsewhere\n"


def test_a_second_sigterm_does_not_interrupt_the_tidying_up():
    interruption = Interruption()
    with watch_signals(interruption):
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGTERM)
        send(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
