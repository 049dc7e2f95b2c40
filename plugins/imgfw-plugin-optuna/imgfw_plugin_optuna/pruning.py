"""Stopping a trial that promises nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfw import Callback

if TYPE_CHECKING:
    import optuna
    from imgfw import Run


class OptunaPruning(Callback):
    """Reports a measured value to an Optuna trial after each epoch, and stops the run if it is pruned.

    Args:
        trial: the trial.
        monitor: what is reported, as `val/accuracy`.
    """

    def __init__(self, trial: optuna.Trial, monitor: str) -> None:
        self._trial = trial
        self._monitor = monitor
        self.pruned = False
        """Whether it stopped the run."""

    def on_epoch_end(self, run: Run) -> None:
        """Report, and ask whether to go on."""
        value = run.metrics.get(self._monitor)
        if value is None:  # no evaluation so far
            return
        self._trial.report(value, run.epoch)
        if self._trial.should_prune():
            self.pruned = True
            run.stop = f"pruned: {self._monitor} is {value:.4f} after epoch {run.epoch}"
