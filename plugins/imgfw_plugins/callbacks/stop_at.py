"""Stopping at a target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from imgfw import Callback, Monitor, about

if TYPE_CHECKING:
    from imgfw import Run


@about(example={"monitor": "val/accuracy", "value": 0.99})
class StopAt(Callback):
    """Stops the training when a metric has reached a target.

    Looks at the end of every epoch.

    Args:
        monitor: what is watched, as `val/loss` or `val/accuracy`.
        value: the target, in the metric's units.
        mode: whether `min` or `max` is better; the metric's own when left out.
    """

    def __init__(self, *, monitor: Monitor, value: float, mode: Literal["min", "max"] | None = None) -> None:
        self._monitor = monitor
        self._target = value
        self._mode = mode

    def on_epoch_end(self, run: Run) -> None:
        """Compare with the target."""
        value = run.metrics.get(self._monitor)
        if value is None:  # no evaluation so far
            return
        mode = self._mode or run.plan.modes.get(self._monitor, "min")
        reached = value >= self._target if mode == "max" else value <= self._target
        if reached:
            run.stop = f"target reached: {self._monitor} is {value:.4f} (target {self._target:g})"
