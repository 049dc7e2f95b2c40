"""What a callback is, and the run it is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imgfw.contract.component import Component

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import torch

    from imgfw.contract.about import Mode
    from imgfw.contract.dataset import DatasetInfo
    from imgfw.contract.task import Task

EVENTS = (
    "on_run_start",
    "on_epoch_start",
    "on_step_end",
    "on_log",
    "on_eval_batch",
    "on_eval_end",
    "on_epoch_end",
    "on_run_end",
    "on_session_end",
)
"""The events, in the order in which a run first reaches them."""


@dataclass(frozen=True)
class Plan:
    """How long the training will be, known before its first step.

    Attributes:
        total_steps: optimizer steps of the whole run.
        steps_per_epoch: optimizer steps of one pass over the training data.
        epochs: epochs begun, so `total_steps` is at most `epochs * steps_per_epoch`.
        modes: for every metric that will be reported, whether `max` or `min` is better.
    """

    total_steps: int
    steps_per_epoch: int
    epochs: int
    modes: Mapping[str, Mode] = field(default_factory=dict)


@dataclass
class EvalBatch:
    """One batch of an evaluation.

    Attributes:
        split: `val`.
        images: as the model got them, float, on the device.
        targets: as the task collated them.
        predictions: as the task made them.
    """

    split: str
    images: Any
    targets: Any
    predictions: Any


@dataclass
class Best:
    """The best evaluation so far: the epoch (from 1) and what was measured then."""

    epoch: int
    value: float
    metrics: dict[str, float]


@dataclass
class Run:
    """A run as callbacks see it. Read everything; write `stop` only.

    Attributes:
        name: the run's name.
        folder: where it writes.
        recipe: the resolved recipe, as JSON data.
        info: what is known of the data.
        task: the task.
        plan: how long the training will be.
        model: the model, without wrappers of compilation or of several processes.
        optimizer: the optimizer.
        device: where the model is.
        is_main: whether this process is the one that writes files.
        step: optimizer steps done.
        epoch: the current epoch, from 1; 0 before the first.
        lr: learning rate of the first parameter group for the next step.
        metrics: the latest value of everything measured, as `val/accuracy`, in epoch order.
        logged: during `on_log`, what was recorded. Within an epoch: `train/loss` (the mean over the epoch so
            far) and `lr`. After it: its row of metrics.csv without `epoch` and `step`, and
            `images_per_second`.
        best: the best evaluation so far.
        status: `running`; in `on_session_end` how the session ended: `completed`, `stopped` (by a callback),
            `interrupted` (by a signal, and may be resumed), `diverged` or `failed`.
        eval_batch: during `on_eval_batch`, the batch; else None.
        stop: set it to a sentence to end the training after this event; None means go on.
        log: `run.log("my/value", 0.5)` adds a value to this epoch's row of metrics.csv (a tensor is read only
            at the end of the epoch).
    """

    name: str
    folder: Path
    recipe: Mapping[str, Any]
    info: DatasetInfo
    task: Task
    plan: Plan
    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    device: torch.device
    is_main: bool
    log: Callable[[str, Any], None]
    step: int = 0
    epoch: int = 0
    lr: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    logged: dict[str, float] = field(default_factory=dict)
    best: Best | None = None
    status: str = "running"
    eval_batch: EvalBatch | None = None
    stop: str | None = None


class Callback(Component, kind="callbacks"):
    """Base of all callbacks: override the events you want; the others cost nothing.

    Every process calls the events; write files only where `run.is_main`. What it has to say it logs, as
    `logging.getLogger("imgfw.mine").info("...")`: the run prints it among its own lines, a quiet run prints
    warnings only. A callback with state returns it from `state_dict` (numbers, strings, lists, dicts, tuples,
    tensors) and takes it back on resume.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        unknown = [name for name in vars(cls) if name.startswith("on_") and name not in EVENTS]
        if unknown:
            raise TypeError(f"{cls.__name__}.{unknown[0]} is no event; the events are {', '.join(EVENTS)}")

    def on_run_start(self, run: Run) -> None:
        """Everything is built; the first step comes next (on resume too)."""

    def on_epoch_start(self, run: Run) -> None:
        """An epoch begins (not called when a resumed run goes on within one)."""

    def on_step_end(self, run: Run) -> None:
        """An optimizer step was done."""

    def on_log(self, run: Run) -> None:
        """Figures were recorded, every `train.log_every` steps and after an epoch: `run.logged` has them."""

    def on_eval_batch(self, run: Run) -> None:
        """A batch was evaluated: `run.eval_batch` holds it."""

    def on_eval_end(self, run: Run) -> None:
        """The validation of an epoch is complete: `run.metrics` holds its results."""

    def on_epoch_end(self, run: Run) -> None:
        """An epoch is complete, evaluated, and about to be saved."""

    def on_run_end(self, run: Run) -> None:
        """Training and the final test are over, or the run was stopped."""

    def on_session_end(self, run: Run) -> None:
        """The session is over, however it ended: `run.status` says how. Release files and connections."""

    def state_dict(self) -> dict[str, Any]:
        """What must survive a restart."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` returned."""
