"""Signals are requests to stop, until somebody insists."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from imgfw.engine.interruption import watch_signals


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_nothing_else_happens(number):
    with watch_signals() as interruption:
        assert not interruption.requested()
        send(number)
        assert interruption.requested()
        assert interruption.signal_number == number


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_sigint_after_another_signal_stops_at_once(first):
    with watch_signals() as interruption:
        send(first)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
        assert interruption.signal_number == first


def test_a_second_sigterm_changes_nothing():
    with watch_signals() as interruption:
        send(signal.SIGTERM)
        send(signal.SIGTERM)
        assert interruption.requested()


def test_the_signals_are_given_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(RuntimeError), watch_signals():
        assert signal.getsignal(signal.SIGINT) != before[0]
        raise RuntimeError
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_in_another_thread_signals_are_left_to_the_main_one():
    before, seen = signal.getsignal(signal.SIGINT), []

    def watch():
        with watch_signals() as interruption:
            seen.append((interruption.requested(), signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join()
    assert seen == [(False, before)]
