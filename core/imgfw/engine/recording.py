"""What a run writes while it trains: lines, events, metrics and checkpoints."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from imgfw.contract.about import Mode
from imgfw.contract.callback import Best, Run
from imgfw.contract.errors import DivergedError
from imgfw.engine import checkpoint, distributed
from imgfw.engine.generators import generator_states
from imgfw.engine.progress import Progress
from imgfw.engine.resuming import built_from

if TYPE_CHECKING:
    from imgfw.engine.building import Parts
    from imgfw.engine.clock import Clock
    from imgfw.engine.console import Console
    from imgfw.engine.run_folder import RunFolder


class Recorder:
    """Writes what must outlive the process; only the main process does.

    Args:
        folder: the run's.
        console: where lines go.
        monitor: what `best` goes by.
        mode: whether more or less of it is better.
    """

    def __init__(self, folder: RunFolder, console: Console, monitor: str, mode: Mode) -> None:
        self.folder = folder
        self._console = console
        self._monitor = monitor
        self._mode = mode
        self._logged: dict[str, Any] = {}
        self._clock_at_epoch = (0.0, 0)

    def log(self, name: str, value: Any) -> None:
        """Add a value to this epoch's row; a tensor is read at the end of the epoch."""
        self._logged[name] = value

    def note(self, event: str, sentence: str, **data: Any) -> None:
        """Enter something into the events, and say it unless there is nothing to say."""
        self.folder.event(event, **data)
        if sentence:
            self._console.line(sentence)

    def log_step(self, parts: Parts, progress: Progress, run: Run, console: Console) -> None:
        """Report the running loss of the epoch."""
        loss = float(progress.loss_sum / progress.loss_weight)
        done = progress.step - progress.epochs_done * parts.plan.steps_per_epoch
        console.progress(
            f"epoch {run.epoch}/{parts.plan.epochs} step {done}/{parts.plan.steps_per_epoch}  "
            f"train/loss {loss:.4f}  lr {run.lr:.3g}"
        )
        run.logged = {"train/loss": loss, "lr": run.lr}
        self.folder.event("step", step=progress.step, **run.logged)

    def enter_epoch(self, parts: Parts, progress: Progress, run: Run, clock: Clock) -> bool:
        """Enter an epoch into the history, and judge whether it is the best so far."""
        logged = {name: float(value) for name, value in self._logged.items()}
        self._logged = {}
        figures = {"lr": run.lr, **run.metrics, **logged}
        row = {"epoch": run.epoch, "step": progress.step, **figures}
        progress.history.append(row)
        improved = self._judge(progress, run)
        run.best = progress.best
        self.folder.write_metrics(progress.history)
        speed = self._images_per_second(clock)
        run.logged = {**figures, "images_per_second": round(speed, 1)}
        self.folder.event("epoch", **row, images_per_second=round(speed, 1), best=improved)
        shown = "  ".join(f"{name} {value:.4f}" for name, value in {**run.metrics, **logged}.items())
        mark = "  best" if improved else ""
        self._console.line(
            f"epoch {run.epoch}/{parts.plan.epochs}  {shown}  lr {run.lr:.3g}  {speed:,.0f} images/s{mark}"
        )
        return improved

    def end_epoch(self, parts: Parts, progress: Progress, improved: bool) -> None:
        """Save, where the epoch is the best so far, the last, or the recipe says so."""
        settings = parts.resolved.recipe.checkpoint
        if improved or progress.finished or progress.epochs_done % settings.every == 0:
            self.save(parts, progress, is_best=improved)

    def _images_per_second(self, clock: Clock) -> float:
        seconds, samples = clock.training - self._clock_at_epoch[0], clock.samples - self._clock_at_epoch[1]
        self._clock_at_epoch = (clock.training, clock.samples)
        return samples / seconds if seconds else 0.0

    def _judge(self, progress: Progress, run: Run) -> bool:
        """Whether this epoch is the best so far; a value that is not a number never is."""
        value = run.metrics.get(self._monitor)
        if value is None or value != value:
            return False
        best = progress.best
        if best is not None and not (value > best.value if self._mode == "max" else value < best.value):
            return False
        metrics = {name: number for name, number in run.metrics.items() if number == number}
        progress.best = Best(run.epoch, value, metrics)
        return True

    def save(self, parts: Parts, progress: Progress, is_best: bool = False) -> None:
        """Save the run's whole state; every process must call it.

        Raises:
            DivergedError: a weight is not finite; the earlier checkpoints stay the last.
        """
        if not checkpoint.has_finite_weights(parts.evaluated):
            raise DivergedError(
                f"A weight is not finite after step {progress.step}; nothing was saved of it.",
                "Lower optimizer.lr, or resume from the last checkpoint with another setting.",
            )
        if distributed.is_main():
            within = progress.step - progress.epochs_done * parts.plan.steps_per_epoch
            name = checkpoint.name_of(progress.epochs_done, max(within, 0))
            place = self.folder.checkpoints / name
            checkpoint.save(place, parts.evaluated.state_dict(), run_state(parts, progress))
            checkpoint.mark(self.folder.checkpoints, "last", place)
            if is_best:
                checkpoint.mark(self.folder.checkpoints, "best", place)
            checkpoint.rotate(self.folder.checkpoints, parts.resolved.recipe.checkpoint.keep)
        distributed.wait_for_all()


def run_state(parts: Parts, progress: Progress) -> dict[str, Any]:
    """Everything but the model's weights that a run needs to go on, and that prediction needs to know."""
    statistics = parts.data.statistics.value
    return {
        "progress": progress.state_dict(),
        "optimizer": parts.optimizer.state_dict(),
        "schedule": parts.schedule.state_dict(),
        "scaler": parts.scaler.state_dict(),
        "callbacks": [callback.state_dict() for callback in parts.callbacks],
        "average": _average_state(parts),
        "generators": generator_states(),
        "info": dataclasses.asdict(parts.data.info),
        "statistics": dataclasses.asdict(statistics) if statistics is not None else None,
        "trainable": [name for name, item in parts.model.named_parameters() if item.requires_grad],
        "precision": parts.precision.name,
        "versions": parts.resolved.versions,
        "built_from": built_from(parts.resolved, parts.plan),
    }


def _average_state(parts: Parts) -> dict[str, Any] | None:
    """What goes on beside the average of the weights, which is what the checkpoint holds as the model."""
    if parts.average is None:
        return None
    return {"steps": parts.average.steps, "trained": parts.model.state_dict()}
