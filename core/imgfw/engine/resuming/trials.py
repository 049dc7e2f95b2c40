"""A recipe trained for a few steps: straight, with interruptions, and by processes that are killed."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imgfw.catalog.catalog import Catalog
from imgfw.contract.callback import Callback, Run
from imgfw.contract.errors import ImgfwError, InterruptedRun
from imgfw.engine.console import Console
from imgfw.engine.interruption import Interruption
from imgfw.engine.resuming import comparison
from imgfw.engine.saving import checkpoint
from imgfw.engine.saving.past_run import recipe_of
from imgfw.engine.saving.run_folder import RunFolder
from imgfw.engine.session import Session
from imgfw.engine.temporary import end
from imgfw.recipe.checking import check
from imgfw.recipe.reading import read_recipe
from imgfw.recipe.resolving import ResolvedRecipe

_POLL_SECONDS = 0.005

_SAVE_EVERY = 4
"""Steps between two checkpoints of a run that is killed, so that it goes on within epochs too."""


@dataclass
class Trial:
    """A trial run.

    Attributes:
        folder: where it is.
        looks: how often it asked whether to stop.
        stops: the steps at which it was taken up again; 0: from the start, nothing had been saved.
        lost: what callbacks kept in memory when interrupted, and no longer had when resumed.
    """

    folder: Path
    looks: int = 0
    stops: list[int] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Trials:
    """The trials of one recipe.

    Attributes:
        recipe: its file.
        overrides: changes of it.
        folder: where the runs are made.
        catalog: the plugins to use.
    """

    recipe: str | Path
    overrides: Sequence[str]
    folder: Path
    catalog: Catalog

    def words(self, name: str, steps: int) -> list[str]:
        """The changes that make a trial of the recipe; `log_every` changes nothing of its result."""
        length = ["train.epochs=null", f"train.steps={steps}", "train.log_every=1"]
        return [*self.overrides, *length, f"output_dir={json.dumps(str(self.folder / name))}"]

    def begin(self, name: str, steps: int) -> tuple[ResolvedRecipe, RunFolder]:
        """Make the folder of a trial run."""
        resolved = check(read_recipe(self.recipe, self.words(name, steps)), self.catalog).recipe
        return resolved, RunFolder.create(Path(resolved.recipe.output_dir), resolved.name)


def train_straight(trials: Trials, name: str, steps: int) -> tuple[Trial, int]:
    """Train without an interruption; also the steps of an epoch."""
    resolved, folder = trials.begin(name, steps)
    planned = PlannedInterruption(0)
    session = Session(resolved, folder, Console(quiet=True), interruption=planned)
    session.go()
    return Trial(folder.path, planned.looks), session.steps_per_epoch


def train_interrupted(trials: Trials, steps: int, looks: int, times: int, places: random.Random) -> Trial:
    """Train with interruptions at some of the moments at which a straight run asks whether to stop.

    Args:
        trials: the recipe.
        steps: optimizer steps of the run.
        looks: how often a straight run asks.
        times: how often to interrupt.
        places: chooses the moments.
    """
    resolved, folder = trials.begin("interrupted", steps)
    trial = Trial(folder.path)
    first = places.randint(1, max(steps // 2, 1))  # with steps to follow: the last looks are an evaluation's
    others = places.sample([look for look in range(1, looks) if look != first], min(times, looks - 1) - 1)
    chosen = sorted([first, *others])
    found: checkpoint.Checkpoint | None = None
    kept: comparison.Parts = {}
    for before, look in zip([0, *chosen], [*chosen, 0], strict=True):
        planned, witness = PlannedInterruption(look - before), _Witness()
        session = Session(resolved, folder, Console(quiet=True), found, [witness], interruption=planned)
        witness.session = session
        try:
            session.go()
        except InterruptedRun:
            if not planned.came:
                raise
        if kept and witness.kept:  # a run that only had its test left has no start of training
            lost = comparison.differing(kept, witness.kept)
            trial.lost += [text for text in map(": ".join, lost.items()) if text not in trial.lost]
        if not planned.came:
            break
        kept = comparison.in_memory(session.callbacks)
        found, _ = checkpoint.load_newest(folder.checkpoints)
        trial.stops.append(found.state["progress"]["step"])
        resolved = recipe_of(folder, trials.catalog)
    return trial


class PlannedInterruption(Interruption):
    """A signal that comes when a run asks for the n-th time whether to stop; never where n is not positive.

    Attributes:
        looks: how often the run asked.
        came: whether the signal came.
    """

    def __init__(self, at: int) -> None:
        super().__init__()
        self._at = at
        self.looks = 0
        self.came = False

    def requested(self) -> bool:
        """Count, and be the signal at the planned moment."""
        self.looks += 1
        if self.looks == self._at:
            self.came, self.signal_number = True, signal.SIGTERM
        return super().requested()


class _Witness(Callback):
    """Notes what the recipe's callbacks keep in memory when the training starts, after them.

    Attributes:
        session: whose callbacks.
        kept: what they kept.
    """

    session: Session

    def __init__(self) -> None:
        self.kept: comparison.Parts = {}

    def on_run_start(self, run: Run) -> None:
        """Note it."""
        self.kept = comparison.in_memory(self.session.callbacks)


def train_killed(
    trials: Trials, steps: int, times: int, places: random.Random, words: Sequence[str]
) -> Trial:
    """Train in processes that get a SIGKILL once they have done some step, and go on in the next.

    Args:
        trials: the recipe.
        steps: optimizer steps of the run.
        times: how often to kill.
        places: chooses the steps.
        words: what stands before the verb of the command that trains.
    """
    parent = trials.folder / "killed"
    command = [sys.executable, "-m", "imgfw", *words, "run"]
    changed = [*trials.words("killed", steps), f"checkpoint.every_steps={_SAVE_EVERY}"]
    changes = [part for word in changed for part in ("--set", word)]
    begin = [*command, *changes, "--", str(trials.recipe)]
    trial, following = Trial(parent), begin
    for step in sorted(places.sample(range(1, steps), min(times, steps - 1))):
        _run_until(step, following, parent)
        trial.folder = _newest_events(parent).parent
        if (trial.folder / "checkpoints" / "last").exists():
            found, _ = checkpoint.load_newest(trial.folder / "checkpoints")
            trial.stops.append(found.state["progress"]["step"])
            following = [*command, "--resume", str(trial.folder)]
        else:
            trial.stops.append(0)
            following = begin
    _run_until(None, following, parent)
    trial.folder = _newest_events(parent).parent
    return trial


def _run_until(step: int | None, command: Sequence[str], parent: Path) -> None:
    """Run a command until the run in a folder has done a step, and kill it; None: until it ends.

    Raises:
        ImgfwError: it ended otherwise.
    """
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, text=True)
        try:
            while step is not None and process.poll() is None and _last_step(parent) < step:
                time.sleep(_POLL_SECONDS)
            if step is None:
                process.wait()
            process.kill()
            code = process.wait()
        finally:
            end(process)  # where a signal ends the waiting
        said.seek(0)
        if code not in (0, -signal.SIGKILL):
            raise ImgfwError(f"The process that trained ended with {code}: {said.read().strip()}")


def _newest_events(parent: Path) -> Path:
    """The events of the run in a folder that was written to last."""
    return max(parent.glob("*/events.jsonl"), key=lambda path: path.stat().st_mtime_ns)


def _last_step(parent: Path) -> int:
    """The last step that the newest run in a folder reported."""
    if not any(parent.glob("*/events.jsonl")):
        return 0
    lines = _newest_events(parent).read_text(encoding="utf-8").splitlines(keepends=True)
    events = [json.loads(line) for line in lines if line.endswith("\n")]
    return max((event["step"] for event in events if event["event"] == "step"), default=0)
