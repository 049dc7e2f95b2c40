"""What a run writes while it trains: lines, events, metrics and checkpoints."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgfw.contract.about import Mode
from imgfw.contract.callback import Best, Run
from imgfw.contract.wording import as_rate, rounded_rate
from imgfw.engine import distributed
from imgfw.engine.progress import Progress
from imgfw.engine.saving import checkpoint, checkpoint_folder
from imgfw.engine.saving.files import writing
from imgfw.engine.saving.run_state import run_state
from imgfw.engine.saving.snapshot import Copier, Snapshot
from imgfw.engine.saving.writer import Writer

if TYPE_CHECKING:
    from imgfw.engine.building import Parts
    from imgfw.engine.console import Console
    from imgfw.engine.saving.run_folder import RunFolder
    from imgfw.engine.speed.clock import Clock


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
        self._copier = Copier()
        self._writer = Writer()
        self._saved_at = 0.0

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
        run.logged = {**figures, "images_per_second": rounded_rate(speed)}
        self.folder.event("epoch", **row, images_per_second=rounded_rate(speed), best=improved)
        shown = "  ".join(f"{name} {value:.4f}" for name, value in {**run.metrics, **logged}.items())
        mark = "  best" if improved else ""
        self._console.line(
            f"epoch {run.epoch}/{parts.plan.epochs}  {shown}  lr {run.lr:.3g}  "
            f"{as_rate(speed)} images/s{mark}"
        )
        return improved

    def end_epoch(self, parts: Parts, progress: Progress, improved: bool) -> None:
        """Save, where the epoch is the best so far, the last, or the recipe says so."""
        settings = parts.resolved.recipe.checkpoint
        if improved or progress.finished or progress.epochs_done % settings.every == 0:
            self.save(parts, progress, is_best=improved, wait=progress.finished)

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

    def save_is_due(self, parts: Parts, progress: Progress) -> bool:
        """Whether the recipe wants a checkpoint after this step; only the main process saves within an epoch.

        Raises:
            what went wrong in writing the one before.
        """
        self._writer.check()
        settings = parts.resolved.recipe.checkpoint
        if settings.every_steps is not None and progress.step % settings.every_steps == 0:
            return distributed.is_main()
        waited = time.monotonic() - self._saved_at
        return (
            settings.every_minutes is not None
            and waited >= 60 * settings.every_minutes
            and distributed.is_main()
        )

    def save(self, parts: Parts, progress: Progress, is_best: bool = False, wait: bool = False) -> None:
        """Copy the run's whole state, and write it while training goes on.

        Args:
            parts: what is trained.
            progress: how far it is.
            is_best: whether `best` shall point at it.
            wait: return when it is on the disk; every process must call it then.

        Raises:
            DivergedError: a weight is not finite; the earlier checkpoints stay the last. This and what else
                goes wrong in writing is raised here, at the next step, save, or end of the run.
        """
        if distributed.is_main():
            within = progress.step - progress.epochs_done * parts.plan.steps_per_epoch
            name = checkpoint_folder.name_of(progress.epochs_done, max(within, 0))
            self._writer.wait()  # it reads the memory that the next copy goes to
            state = run_state(parts, progress, dict(self._logged))
            snapshot = self._copier.take(parts.evaluated.state_dict(), state)
            keep = parts.resolved.recipe.checkpoint.keep
            self._writer.start(partial(self._write, self.folder.checkpoints / name, snapshot, is_best, keep))
            self._saved_at = time.monotonic()
        if wait:
            self._writer.wait()
            distributed.wait_for_all()

    def _write(self, place: Path, snapshot: Snapshot, is_best: bool, keep: int) -> None:
        checkpoint.write(place, snapshot)
        with writing(self.folder.checkpoints):
            checkpoint_folder.mark(self.folder.checkpoints, "last", place)
            if is_best:
                checkpoint_folder.mark(self.folder.checkpoints, "best", place)
            checkpoint_folder.rotate(self.folder.checkpoints, keep)

    def restore(self, found: checkpoint.Checkpoint, best: Best | None) -> None:
        """Go on from a checkpoint: with what was logged in its epoch, and with the links that belong to it.

        A run that was killed between a checkpoint and its links has them still at those before.
        """
        self._logged = dict(found.state["logged"])
        if not distributed.is_main():
            return
        with writing(self.folder.checkpoints):
            checkpoint_folder.mark(self.folder.checkpoints, "last", found.folder)
            place = found.folder.with_name(checkpoint_folder.name_of(best.epoch, 0)) if best else None
            if place is not None and place.is_dir():
                checkpoint_folder.mark(self.folder.checkpoints, "best", place)

    def __enter__(self) -> Recorder:
        """Begin to count the time between two checkpoints."""
        self._saved_at = time.monotonic()
        return self

    def __exit__(self, kind: type[BaseException] | None, *others: object) -> None:
        """Wait until everything is written.

        Raises:
            what went wrong in writing; where something else ends the run, it is only said.
        """
        try:
            self._writer.wait()
        except Exception as error:
            if kind is None:
                raise
            self._console.line(f"warning: {error}")
