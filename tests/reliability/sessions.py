"""Sessions of a run in processes of their own, one after another until the run is done."""

from __future__ import annotations

import functools
import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from imgfw.engine.saving import checkpoint, checkpoint_folder

from .children import Child
from .outcome import RUN, undisturbed, workspace
from .recipes import PARTS, TASKS, Mode

MODES = [Mode(task, workers=workers) for task, workers in product(TASKS, (0, 2))]

TRUSTED = ["-p", str(PARTS)]
"""The command reads no plugin file outside of the recipe's folder that is not named to it."""


@dataclass(frozen=True)
class Course:
    """The points of an undisturbed session: how often each was reached; and the seconds that it took."""

    points: Counter[str]
    seconds: float

    def draw_point(self, draw: random.Random, area: str = "") -> tuple[str, int]:
        """A point of an area, and which of the times that it is reached."""
        point = draw.choice([point for point in self.points if point.startswith(area)])
        return point, draw.randint(1, self.points[point])


@functools.cache
def course_of(mode: Mode) -> Course:
    """What an undisturbed session of a mode goes through."""
    undisturbed(mode)  # so that the children find everything imported
    with workspace() as folder:
        noted = folder / "points"
        began = time.perf_counter()

        def note(point: str) -> None:
            with noted.open("a") as file:
                file.write(f"{point}\n")

        session = begin(mode, folder, note)
        if session.wait():
            raise AssertionError(f"{mode} failed undisturbed: {session.said}")
        return Course(Counter(noted.read_text().splitlines()), time.perf_counter() - began)


def begin(mode: Mode, folder: Path, at_point: Callable[[str], None] | None = None) -> Child:
    """Start a session: resume the run in the folder, or start it where there is no checkpoint."""
    return Child(words_for(mode, folder), folder / RUN, at_point)


def words_for(mode: Mode, folder: Path) -> list[str]:
    """The command that goes on with the run in the folder, or starts it where there is no checkpoint."""
    run, recipe = folder / RUN, folder / "recipe.json"
    if checkpoint_folder.ordered(run / "checkpoints"):
        return [*TRUSTED, "run", "--resume", str(run)]
    shutil.rmtree(run, ignore_errors=True)
    recipe.write_text(json.dumps(mode.recipe(folder)))
    return [*TRUSTED, "run", str(recipe)]


def finish(mode: Mode, folder: Path) -> str:
    """Take the run to its end, undisturbed; what went wrong, if anything did."""
    session = begin(mode, folder)
    code = session.wait()
    return f"could not go on, exit code {code}: {session.said.strip()}" if code else ""


def at(point: str, time_reached: int, call: Callable[[], None]) -> Callable[[str], None]:
    """For a child: call a function when a point is reached for the n-th time."""
    reached = 0

    def at_point(found: str) -> None:
        nonlocal reached
        reached += found == point
        if found == point and reached == time_reached:
            call()

    return at_point


def lost(run: Path) -> str:
    """What a run lost that was saved once; the recipe saves after each epoch, while the next is trained."""
    entered = _epochs_entered(run)
    if entered < 3:
        return ""
    found, _ = checkpoint.load_newest(run / "checkpoints")
    done = found.state["progress"]["epochs_done"]
    return f"epoch {entered} was entered, but only {done} saved" if done < entered - 2 else ""


def _epochs_entered(run: Path) -> int:
    """Epochs that events.jsonl tells of; its last line may be half written."""
    events = run / "events.jsonl"
    lines = events.read_text().split("\n")[:-1] if events.exists() else []
    return max((event["epoch"] for event in map(json.loads, lines) if event["event"] == "epoch"), default=0)
