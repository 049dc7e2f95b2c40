"""A callback overrides the events it wants, and only events that exist."""

from __future__ import annotations

import pytest
from imgfw import Callback
from imgfw.contract.callback import EVENTS


def test_an_unknown_event_is_an_error_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match=r"Typo\.on_epoch_stop is no event; the events are on_run_start, "):

        class Typo(Callback):
            def on_epoch_stop(self, run: object) -> None: ...


def test_methods_that_are_no_events_may_have_any_other_name() -> None:
    class Fine(Callback):
        def once(self) -> int:
            return 1

    assert Fine().once() == 1


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_that_is_not_overridden_does_nothing(event: str) -> None:
    assert getattr(Callback(), event)(None) is None


def test_a_callback_without_state_saves_and_loads_nothing() -> None:
    callback = Callback()
    callback.load_state_dict(callback.state_dict())
    assert callback.state_dict() == {}
