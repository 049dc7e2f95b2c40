"""Training, from the first step to the last: the order of work stands here.

    for each epoch:
        on_epoch_start
        for each batch:
            forward, loss, backward, optimizer step, schedule      on_step_end
            every train.log_every steps, read the loss             on_log
        evaluate on the validation split                           on_eval_batch …, on_eval_end
        on_epoch_end
        enter the epoch into metrics.csv                           on_log
        save; mark the best

Speed, precision and processes are looked after elsewhere; so are the files.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from imgfw.contract.callback import EvalBatch, Run
from imgfw.engine import distributed
from imgfw.engine.building import Parts
from imgfw.engine.console import Console
from imgfw.engine.evaluation import StoppedEvaluationError, evaluate
from imgfw.engine.events import Events
from imgfw.engine.guard import NonFiniteGuard
from imgfw.engine.input.loading import RawBatch
from imgfw.engine.interruption import Interruption
from imgfw.engine.parameters import set_training
from imgfw.engine.progress import Progress
from imgfw.engine.saving.recording import Recorder
from imgfw.engine.speed.clock import Clock
from imgfw.engine.speed.verdict import Setup
from imgfw.engine.step import optimizer_step


class InterruptedTrainingError(Exception):
    """A signal ended the training; its state was saved."""


@dataclass
class Trainer:
    """What the loop works with.

    Attributes:
        parts: everything that was built.
        progress: what changes, and is saved.
        run: what callbacks see.
        notify: tells the callbacks what happens.
        recorder: writes metrics, events and checkpoints.
        console: shows the progress.
        interruption: whether a signal came.
        clock: where the time went.
    """

    parts: Parts
    progress: Progress
    run: Run
    notify: Events
    recorder: Recorder
    console: Console
    interruption: Interruption
    clock: Clock = field(default_factory=Clock)


def train(trainer: Trainer) -> None:
    """Train until the plan is done, a callback stops the run, or a signal comes.

    Raises:
        InterruptedTrainingError: a signal came; the state was saved.
        DivergedError: the loss or a gradient is not finite; nothing of that step reached the weights.
    """
    parts, progress, run, notify = trainer.parts, trainer.progress, trainer.run, trainer.notify
    trainer.clock.setup = Setup.of(parts)
    notify("on_run_start")
    for epoch in range(progress.epochs_done, parts.plan.epochs):
        run.epoch = epoch + 1
        first_step = progress.step - epoch * parts.plan.steps_per_epoch
        if first_step == 0:  # else a resumed run goes on within the epoch
            progress.start_epoch(parts.precision.device)
            notify("on_epoch_start")
        _train_epoch(trainer, epoch, first_step)
        with trainer.clock.during("evaluating"):
            _evaluate(trainer)
        notify("on_epoch_end")
        progress.epochs_done += 1
        improved = trainer.recorder.enter_epoch(parts, progress, run, trainer.clock)
        notify("on_log")
        progress.finished = _stopped(run) or progress.step >= parts.plan.total_steps
        progress.stop = run.stop
        with trainer.clock.during("saving"):
            trainer.recorder.end_epoch(parts, progress, improved)
        if progress.finished:
            break


def _train_epoch(trainer: Trainer, epoch: int, first_step: int) -> None:
    """The steps of one epoch, or those that are left of it."""
    parts, progress, run, clock = trainer.parts, trainer.progress, trainer.run, trainer.clock
    guard = NonFiniteGuard(parts, progress, trainer.recorder.note)
    last_step = min(parts.plan.steps_per_epoch, parts.plan.total_steps - epoch * parts.plan.steps_per_epoch)
    trainer.console.begin(f"epoch {epoch + 1}/{parts.plan.epochs}", first_step, last_step)
    set_training(parts.model)
    clock.begin_epoch()
    log_every = parts.resolved.recipe.train.log_every
    for step, micro_batches in _batches(trainer, epoch, range(first_step, last_step)):
        if not optimizer_step(parts, micro_batches, progress, guard, trainer.recorder.note):
            continue  # out of memory: the batch comes again, in smaller micro-batches
        if parts.average is not None:
            parts.average.update()
        parts.schedule.step()
        progress.step += 1
        samples = parts.batches.size(step)
        progress.samples_seen += samples
        clock.count(samples, parts.train_feeder.seconds)
        run.step, run.lr = progress.step, parts.schedule.lr
        trainer.notify("on_step_end")
        trainer.console.advance(step + 1)
        if progress.step % log_every == 0:
            with clock.during("logging"):
                guard.report()
                trainer.recorder.log_step(parts, progress, run, trainer.console)
                trainer.notify("on_log")
        if trainer.interruption.requested():
            guard.report()
            _save_and_leave(trainer)
        if _stopped(run):
            break
        if trainer.recorder.save_is_due(parts, progress):
            guard.report()
            trainer.recorder.save(parts, progress)
    guard.report()
    clock.end_epoch()
    trainer.console.end()


def _stopped(run: Run) -> bool:
    """Whether a callback stopped the run, in this process or another."""
    if distributed.any_process(run.stop is not None) and run.stop is None:
        run.stop = "stopped by a callback in another process"
    return run.stop is not None


def _batches(trainer: Trainer, epoch: int, steps: range) -> Iterator[tuple[int, list[RawBatch]]]:
    """The micro-batches of each step; the time spent waiting for them is noted."""
    halvings = trainer.progress.halvings
    plans = [trainer.parts.batches.micro_batches(epoch, step, halvings) for step in steps]
    fetched = trainer.parts.train_loader.run([(epoch, indices) for plan in plans for indices in plan])
    fetched = trainer.parts.train_feeder.ahead(fetched)
    for step, plan in zip(steps, plans, strict=True):
        began = time.perf_counter()
        micro_batches = list(itertools.islice(fetched, len(plan)))
        trainer.clock.waiting += time.perf_counter() - began
        yield step, micro_batches
        if trainer.progress.halvings != halvings:  # they were too large for the memory
            yield from _batches(trainer, epoch, range(step, steps.stop))
            return


def _evaluate(trainer: Trainer) -> None:
    """Evaluate on the validation split, and let the schedule know."""
    parts, progress, run, notify = trainer.parts, trainer.progress, trainer.run, trainer.notify
    run.metrics = {"train/loss": float(progress.loss_sum / progress.loss_weight)}
    if parts.data.views.val is None:
        parts.schedule.evaluated(run.metrics)
        return

    def on_batch(batch: EvalBatch) -> None:
        run.eval_batch = batch
        notify("on_eval_batch")
        run.eval_batch = None

    listening = on_batch if notify.has("on_eval_batch") else None
    try:
        run.metrics |= evaluate(parts, "val", trainer.console, listening, trainer.interruption.requested)
    except StoppedEvaluationError:
        _save_and_leave(trainer)
    parts.schedule.evaluated(run.metrics)
    notify("on_eval_end")


def _save_and_leave(trainer: Trainer) -> None:
    trainer.console.end()
    trainer.recorder.save(trainer.parts, trainer.progress, wait=True)
    raise InterruptedTrainingError
