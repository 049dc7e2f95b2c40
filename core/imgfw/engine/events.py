"""Telling callbacks what happens."""

from __future__ import annotations

from collections.abc import Callable

from imgfw.contract.callback import Callback, Run


class Events:
    """Calls the callbacks that override an event, in the recipe's order; nobody else costs anything."""

    def __init__(self, callbacks: list[Callback], run: Run) -> None:
        self._callbacks = callbacks
        self._run = run
        self._listeners: dict[str, list[Callable[[Run], None]]] = {}

    def _of(self, event: str) -> list[Callable[[Run], None]]:
        if event not in self._listeners:
            default = getattr(Callback, event)
            self._listeners[event] = [
                getattr(callback, event)
                for callback in self._callbacks
                if getattr(type(callback), event) is not default
            ]
        return self._listeners[event]

    def has(self, event: str) -> bool:
        """Whether anybody listens."""
        return bool(self._of(event))

    def __call__(self, event: str) -> None:
        for listener in self._of(event):
            listener(self._run)

    def end_session(self, status: str) -> list[str]:
        """Call every `on_session_end`, whatever the others raise; return what went wrong.

        The run's result stands by then, and an error that ends it must not be hidden by another.
        """
        self._run.status = status
        wrong = []
        for listener in self._of("on_session_end"):
            try:
                listener(self._run)
            except Exception as error:  # a callback is a plugin's code and may raise anything
                wrong.append(f"{listener.__qualname__}: {type(error).__name__}: {error}")
        return wrong
