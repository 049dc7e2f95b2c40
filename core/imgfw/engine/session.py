"""One session of a run: build, train, test, sum up; from the start, or from a checkpoint."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgfw.contract.callback import Callback, Run
from imgfw.contract.errors import DivergedError, ImgfwError, InterruptedRun
from imgfw.engine import distributed
from imgfw.engine.building import Parts, build_parts, try_model
from imgfw.engine.console import Console, show_log
from imgfw.engine.environment import describe_environment
from imgfw.engine.evaluation import StoppedEvaluationError
from imgfw.engine.evaluation import evaluate as evaluate_split
from imgfw.engine.events import Events
from imgfw.engine.input.bad_data import Quarantine
from imgfw.engine.input.caching import cache_images
from imgfw.engine.input.data import build_data
from imgfw.engine.interruption import STOPPED_BEFORE_GOING_ON, Interruption, watch_signals
from imgfw.engine.precision import choose_device
from imgfw.engine.progress import Progress
from imgfw.engine.resuming.changes import Difference
from imgfw.engine.resuming.comparison import named
from imgfw.engine.resuming.restoring import other_samples, refuse_other_data, restore
from imgfw.engine.saving import checkpoint
from imgfw.engine.saving.past_run import load_best, statistics_of
from imgfw.engine.saving.recording import Recorder
from imgfw.engine.saving.run_folder import RunFolder
from imgfw.engine.speed.clock import Clock
from imgfw.engine.summary import end_lines, start_lines, summarize
from imgfw.engine.training import InterruptedTrainingError, Trainer, train
from imgfw.recipe.checking import aim_of
from imgfw.recipe.resolving import ResolvedRecipe


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: where its files are.
        status: `completed` or `stopped`.
        summary: what summary.json holds.
    """

    folder: Path
    status: str
    summary: dict[str, Any]


class Session:
    """One training session of a run: from the start, or from a checkpoint.

    Attributes:
        callbacks: the recipe's, by what they are called, once they are built.
        steps_per_epoch: optimizer steps of an epoch, once the data is read.
    """

    callbacks: dict[str, Callback]
    steps_per_epoch: int

    def __init__(
        self,
        resolved: ResolvedRecipe,
        folder: RunFolder,
        console: Console,
        found: checkpoint.Checkpoint | None = None,
        extra: Sequence[Callback] = (),
        changes: Sequence[Difference] = (),
        interruption: Interruption | None = None,
    ) -> None:
        self._resolved = resolved
        self._folder = folder
        self._console = console
        self._found = found
        self._extra = extra
        self._changes = changes
        self._interruption = interruption or Interruption()
        self._notify: Events | None = None
        self._status = "failed"
        self._progress = Progress()
        self._clock = Clock()
        self._begun = False
        self._recorder = Recorder(folder, console, *aim_of(resolved))

    def go(self) -> RunResult:
        """Build, train, test and sum up, and print what components log meanwhile."""
        with show_log(self._console):
            return self._see_through()

    def _see_through(self) -> RunResult:
        """Do it all; whatever ends the run is in its summary."""
        interruption = self._interruption
        try:
            with watch_signals(interruption):
                return self._train_and_test(interruption)
        except DivergedError as error:
            self._summarize_failure("diverged", error.message)
            raise DivergedError(error.message, f"{error.hint} The run is in {self._folder.path}.") from error
        except KeyboardInterrupt:
            number = interruption.signal_number or signal.SIGINT
            hint = f"Resume with: imgfw run --resume {self._folder.path}"
            if not self._begun and self._found is not None:  # the summary still holds: nothing has changed
                self._status = "interrupted"
                self._folder.event("end", status=self._status, reason="stopped before it went on")
                raise InterruptedRun(STOPPED_BEFORE_GOING_ON, hint, number) from None
            if not self._begun:
                self._fail("stopped before the first step")
                raise InterruptedRun("Stopped before the first step.", "", number) from None
            self._summarize("interrupted", "stopped at once by a second SIGINT")
            raise InterruptedRun("Stopped at once.", hint, signal.SIGINT) from None
        except ImgfwError as error:
            if not isinstance(error, InterruptedRun):
                self._fail(error.message)
            raise
        except Exception as error:
            self._fail(f"{type(error).__name__}: {error}")
            raise
        finally:
            self._console.end()
            self._end_session()

    def _end_session(self) -> None:
        for sentence in self._notify.end_session(self._status) if self._notify is not None else ():
            self._console.line(f"warning: {sentence}")

    def _fail(self, reason: str) -> None:
        """Note a failure; a run that failed before its first step leaves no folder, but for a list in it."""
        if self._begun or self._found is not None or self._folder.quarantine.exists():
            self._summarize_failure("failed", reason)
        else:
            self._folder.remove()

    def _train_and_test(self, interruption: Interruption) -> RunResult:
        parts, run = self._build()
        self._begun, interruption.at_once = True, False
        types = [node.provider.qualified for node in self._resolved.callbacks]
        self.callbacks = named(types, parts.callbacks)
        self.steps_per_epoch = parts.plan.steps_per_epoch
        self._notify = notify = Events([*parts.callbacks, *self._extra], run)
        trainer = Trainer(
            parts, self._progress, run, notify, self._recorder, self._console, interruption, self._clock
        )
        try:
            with parts.supplied(), self._recorder:
                if self._progress.finished:
                    run.metrics = dict(self._progress.best.metrics) if self._progress.best else {}
                else:
                    train(trainer)
                test = self._test(parts, interruption)
        except (InterruptedTrainingError, StoppedEvaluationError):
            name = signal.Signals(interruption.signal_number).name
            self._summarize("interrupted", f"{name} after step {self._progress.step}")
            raise InterruptedRun(
                f"Stopped by {name} after step {self._progress.step}; the state is saved.",
                f"Resume with: imgfw run --resume {self._folder.path}",
                interruption.signal_number,
            ) from None
        status = "completed" if self._progress.stop is None else "stopped"
        run.metrics |= test
        notify("on_run_end")
        summary = self._summarize(status, self._progress.stop, test)
        self._say(end_lines(summary))
        return RunResult(self._folder.path, status, summary)

    def _build(self) -> tuple[Parts, Run]:
        resolved, found = self._resolved, self._found
        known = statistics_of(found.state) if found is not None else None
        with distributed.main_first():  # only one process downloads
            quarantine = Quarantine(self._folder.quarantine, self._console.line)
            data = build_data(resolved, quarantine, known, self._console)
        if found is not None:
            refuse_other_data(data.info, found.state)
            if (warning := other_samples(data.info, found.state)) is not None:
                self._console.line(f"warning: {warning}")
        device = choose_device(resolved.recipe.train.device)
        parts = build_parts(resolved, data, device, found)
        if found is not None:
            restore(parts, self._progress, found)
            self._recorder.restore(found, self._progress.best)
        else:
            try_model(parts)
        cache_images(parts, self._console)
        self._folder.write_json("recipe.resolved.json", resolved.to_json())
        self._folder.write_json("environment.json", describe_environment(resolved.versions))
        self._folder.event("start" if found is None else "resume", step=self._progress.step)
        for change in self._changes:
            self._folder.event("change", step=self._progress.step, **dataclasses.asdict(change))
        self._say([f"run      {self._folder.path}", *start_lines(resolved, parts)])
        if found is not None:
            self._console.line(f"resumed  from step {self._progress.step:,}")
            self._say([f"changed  {change}" for change in self._changes])
        run = Run(
            name=resolved.name,
            folder=self._folder.path,
            recipe=resolved.to_json(),
            info=data.info,
            task=data.task,
            plan=parts.plan,
            model=parts.model,
            optimizer=parts.optimizer,
            device=device,
            is_main=distributed.is_main(),
            log=self._recorder.log,
            step=self._progress.step,
            lr=parts.schedule.lr,
            best=self._progress.best,
        )
        return parts, run

    def _say(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._console.line(line)

    def _test(self, parts: Parts, interruption: Interruption) -> dict[str, float]:
        """Evaluate the best model on the test split.

        Raises:
            StoppedEvaluationError: a signal came.
        """
        if self._progress.stop is not None:
            self._console.line(f"stopped: {self._progress.stop}")
        best, done = self._progress.best, self._progress.epochs_done
        if parts.data.views.test is None:
            self._console.line("no test split, so nothing is tested")
            return {}
        if best is not None and best.epoch != done:  # else the best is what is in memory
            checkpoint.restore_weights(parts.evaluated, load_best(self._folder).model)
        return evaluate_split(parts, "test", self._console, stop_requested=interruption.requested)

    def _summarize_failure(self, status: str, reason: str) -> None:
        """Write summary.json; where even that fails, the first failure is what the person must hear of."""
        try:
            self._summarize(status, reason)
        except ImgfwError as error:
            self._console.line(f"warning: {error}")

    def _summarize(
        self, status: str, reason: str | None, test: Mapping[str, float] | None = None
    ) -> dict[str, Any]:
        """Write summary.json."""
        self._status = status
        summary = summarize(self._progress, self._clock, status, reason, test or {})
        self._folder.write_json("summary.json", summary)
        self._folder.event("end", status=status, reason=reason)
        return summary
