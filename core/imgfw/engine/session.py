"""A run from its recipe to its summary; resuming it; evaluating it."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgfw.catalog.catalog import Catalog
from imgfw.contract.callback import Callback, Run
from imgfw.contract.dataset import ChannelStatistics
from imgfw.contract.errors import DivergedError, ImgfwError, InterruptedRun, UsageError
from imgfw.engine import checkpoint, distributed
from imgfw.engine.building import Parts, build_parts, try_model
from imgfw.engine.caching import cache_images
from imgfw.engine.clock import Clock
from imgfw.engine.console import Console, make_console, show_log
from imgfw.engine.data import build_data
from imgfw.engine.environment import describe_environment
from imgfw.engine.evaluation import StoppedEvaluationError
from imgfw.engine.evaluation import evaluate as evaluate_split
from imgfw.engine.events import Events
from imgfw.engine.generators import restore_generators
from imgfw.engine.interruption import Interruption, watch_signals
from imgfw.engine.precision import choose_device
from imgfw.engine.progress import Progress
from imgfw.engine.recording import Recorder
from imgfw.engine.run_folder import RunFolder
from imgfw.engine.splits import BadSample
from imgfw.engine.summary import end_lines, start_lines, summarize
from imgfw.engine.training import InterruptedTrainingError, Trainer, train
from imgfw.recipe.checking import aim_of, check
from imgfw.recipe.reading import read_recipe
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


def run(
    recipe: str | Path | Mapping[str, Any],
    *,
    overrides: Sequence[str] = (),
    callbacks: Sequence[Callback] = (),
    catalog: Catalog | None = None,
    quiet: bool = False,
) -> RunResult:
    """Train what a recipe says, keep the best, and test it.

    Args:
        recipe: a recipe file, or its data as a dict.
        overrides: changes, as `optimizer.lr=0.01`.
        callbacks: live callbacks, called after the recipe's. They are no part of the recipe, so a resumed run
            has none of them, and nothing of their state is saved.
        catalog: the plugins to use; by default those installed.
        quiet: print nothing.

    Raises:
        RecipeError: the recipe is wrong; everything that is wrong with it.
        DataError: the data is missing or wrong.
        PluginError: a plugin is broken or missing.
        DivergedError: the loss is not finite.
        InterruptedRun: a signal ended the run; its state was saved.
    """
    source = read_recipe(recipe, overrides)
    checked = check(source, catalog or Catalog())
    with _processes():
        console = make_console(quiet or not distributed.is_main())
        for warning in checked.warnings:
            console.line(f"warning: {warning}")
        parent = Path(checked.recipe.recipe.output_dir)
        created = RunFolder.create(parent, checked.recipe.name) if distributed.is_main() else None
        path = Path(distributed.share_text(str(created.path) if created else ""))
        folder = RunFolder(path, distributed.is_main())
        folder.write_json("recipe.json", source.raw)
        return _Session(checked.recipe, folder, console, extra=callbacks).go()


def resume(folder: Path | str, *, catalog: Catalog | None = None, quiet: bool = False) -> RunResult:
    """Go on with a run where it was stopped, bit for bit; a finished run is left as it is.

    Args:
        folder: the run's.
        catalog: the plugins to use; by default those installed.
        quiet: print nothing.

    Raises:
        DataError: no checkpoint is whole.
    """
    with _processes():
        opened = RunFolder.open(folder, distributed.is_main())
        console = make_console(quiet or not distributed.is_main())
        resolved = recipe_of(opened, catalog)
        found, damaged = checkpoint.load_newest(opened.checkpoints)
        for sentence in damaged:
            console.line(f"warning: {sentence}")
        if found.state["progress"]["finished"] and (opened.path / "summary.json").exists():
            summary = opened.read_json("summary.json")
            if summary["status"] in ("completed", "stopped"):
                console.line(f"{opened.path} is finished ({summary['status']}); there is nothing to resume.")
                return RunResult(opened.path, summary["status"], summary)
        return _Session(resolved, opened, console, found).go()


def evaluate(folder: Path | str, *, split: str = "test", catalog: Catalog | None = None) -> dict[str, float]:
    """Evaluate the best model of a run.

    Args:
        folder: the run's.
        split: `test` or `val`.
        catalog: the plugins to use; by default those installed.

    Returns:
        the metrics by name, as `test/accuracy`.

    Raises:
        UsageError: the run has no such split.
    """
    with _processes():
        opened = RunFolder.open(folder, writes=False)
        resolved = recipe_of(opened, catalog)
        best = checkpoint.load(best_folder(opened))
        data = build_data(resolved, opened.quarantine, statistics_of(best.state))
        if getattr(data.views, split) is None:
            raise UsageError(f"The data of {opened.path} has no {split} split.", "Set split.test_fraction.")
        parts = build_parts(resolved, data, choose_device(resolved.recipe.train.device), best)
        return evaluate_split(parts, split, Console(quiet=True))


def best_folder(folder: RunFolder) -> Path:
    """The best checkpoint of a run, or the last where nothing was evaluated.

    Raises:
        ImgfwError: there is none yet.
    """
    for link in ("best", "last"):
        place = folder.checkpoints / link
        if place.exists():
            return place.resolve()
    raise ImgfwError(f"{folder.path} holds no checkpoint yet.", "Let the run finish an epoch first.")


def recipe_of(folder: RunFolder, catalog: Catalog | None) -> ResolvedRecipe:
    """The resolved recipe of a run, checked against the plugins there are now."""
    return check(read_recipe(folder.path / "recipe.resolved.json"), catalog or Catalog()).recipe


def statistics_of(state: Mapping[str, Any]) -> ChannelStatistics | None:
    """What was measured on the training data, by a checkpoint's state."""
    measured = state["statistics"]
    return ChannelStatistics(**measured) if measured is not None else None


@contextmanager
def _processes() -> Iterator[None]:
    distributed.start()
    try:
        yield
    finally:
        distributed.stop()


class _Session:
    """One training session of a run: from the start, or from a checkpoint."""

    def __init__(
        self,
        resolved: ResolvedRecipe,
        folder: RunFolder,
        console: Console,
        found: checkpoint.Checkpoint | None = None,
        extra: Sequence[Callback] = (),
    ) -> None:
        self._resolved = resolved
        self._folder = folder
        self._console = console
        self._found = found
        self._extra = extra
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
        interruption = Interruption()
        try:
            with watch_signals(interruption):
                return self._train_and_test(interruption)
        except DivergedError as error:
            self._summarize("diverged", error.message)
            raise DivergedError(error.message, f"{error.hint} The run is in {self._folder.path}.") from error
        except KeyboardInterrupt:
            if not self._begun:
                self._fail("stopped before the first step")
                number = interruption.signal_number or signal.SIGINT
                raise InterruptedRun("Stopped before the first step.", "", number) from None
            self._summarize("interrupted", "stopped at once by a second SIGINT")
            hint = f"Resume with: imgfw run --resume {self._folder.path}"
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
        """Note a failure; a run that failed before its first step leaves no folder behind."""
        if self._begun or self._found is not None:
            self._summarize("failed", reason)
        else:
            self._folder.remove()

    def _train_and_test(self, interruption: Interruption) -> RunResult:
        parts, run = self._build()
        self._begun, interruption.at_once = True, False
        self._notify = notify = Events([*parts.callbacks, *self._extra], run)
        trainer = Trainer(
            parts, self._progress, run, notify, self._recorder, self._console, interruption, self._clock
        )
        try:
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
            data = build_data(resolved, self._note_bad, known)
        device = choose_device(resolved.recipe.train.device)
        parts = build_parts(resolved, data, device, found)
        if found is not None:
            self._restore(parts, found)
        else:
            try_model(parts)
        cache_images(parts, self._console)
        self._folder.write_json("recipe.resolved.json", resolved.to_json())
        self._folder.write_json("environment.json", describe_environment(resolved.versions))
        self._folder.event("start" if found is None else "resume", step=self._progress.step)
        self._say([f"run      {self._folder.path}", *start_lines(resolved, parts)])
        if found is not None:
            self._console.line(f"resumed  from step {self._progress.step:,}")
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

    def _note_bad(self, sample: BadSample) -> None:
        self._folder.quarantine(sample)
        self._console.line(f"left out: {sample.source}: {sample.reason}")

    def _restore(self, parts: Parts, found: checkpoint.Checkpoint) -> None:
        """Bring everything back; the random generators last, since building drew from them."""
        state = found.state
        parts.optimizer.load_state_dict(state["optimizer"])
        parts.schedule.load_state_dict(state["schedule"])
        parts.scaler.load_state_dict(state["scaler"])
        for callback, saved in zip(parts.callbacks, state["callbacks"], strict=True):
            callback.load_state_dict(saved)
        self._progress.load_state_dict(state["progress"], parts.precision.device)
        restore_generators(state["generators"])

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
            checkpoint.restore_weights(parts.model, checkpoint.load(best_folder(self._folder)).model)
        return evaluate_split(parts, "test", self._console, stop_requested=interruption.requested)

    def _summarize(
        self, status: str, reason: str | None, test: Mapping[str, float] | None = None
    ) -> dict[str, Any]:
        """Write summary.json."""
        self._status = status
        summary = summarize(self._progress, self._clock, status, reason, test or {})
        self._folder.write_json("summary.json", summary)
        self._folder.event("end", status=status, reason=reason)
        return summary
