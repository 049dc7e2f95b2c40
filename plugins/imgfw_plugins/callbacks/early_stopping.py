"""Stopping when a metric has stopped improving."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from imgfw import Callback, Ge, Monitor

if TYPE_CHECKING:
    from imgfw import Run


class EarlyStopping(Callback):
    """Stops the training when a metric has not improved for some epochs.

    Looks at the end of every epoch. A value that is not a number is no improvement. Resuming a run goes on
    counting where it was.

    Args:
        monitor: what is watched, as `val/loss` or `val/accuracy`.
        mode: whether `min` or `max` is better; the metric's own when left out.
        patience: epochs without improvement after which the training stops.
        min_delta: a smaller step in the right direction is no improvement, in the metric's units.
    """

    def __init__(
        self,
        *,
        monitor: Monitor = "val/loss",
        mode: Literal["min", "max"] | None = None,
        patience: Annotated[int, Ge(1)] = 5,
        min_delta: Annotated[float, Ge(0)] = 0.0,
    ) -> None:
        self._monitor = monitor
        self._mode = mode
        self._patience = patience
        self._min_delta = min_delta
        self._best: float | None = None
        self._best_epoch = 0
        self._waited = 0

    def on_epoch_end(self, run: Run) -> None:
        """Compare with the best epoch so far."""
        value = run.metrics.get(self._monitor)
        if value is None:  # no evaluation so far
            return
        if self._improves(value, self._mode or run.plan.modes.get(self._monitor, "min")):
            self._best, self._best_epoch, self._waited = value, run.epoch, 0
            return
        self._waited += 1
        if self._waited >= self._patience:
            run.stop = self._reason()

    def _improves(self, value: float, mode: str) -> bool:
        if self._best is None:
            return not math.isnan(value)
        gain = value - self._best if mode == "max" else self._best - value
        return gain > self._min_delta

    def _reason(self) -> str:
        epochs = "1 epoch" if self._waited == 1 else f"{self._waited} epochs"
        if self._best is None:
            return f"early stopping: {self._monitor} has not been a number for {epochs}"
        return (
            f"early stopping: {self._monitor} has not improved on {self._best:.4f} "
            f"(epoch {self._best_epoch}) for {epochs}"
        )

    def state_dict(self) -> dict[str, Any]:
        """The best value, its epoch, and how long ago that was."""
        return {"best": self._best, "best_epoch": self._best_epoch, "waited": self._waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on counting from a saved state."""
        self._best, self._best_epoch = state["best"], state["best_epoch"]
        self._waited = state["waited"]
