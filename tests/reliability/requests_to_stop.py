"""Signals that ask a run to stop, at any time: it saves, leaves with the documented code, and can go on."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from imgfw.engine.interruption import STOPPED_BEFORE_GOING_ON
from imgfw.engine.saving import checkpoint, checkpoint_folder

from .outcome import RUN, difference, workspace
from .recipes import Mode
from .sessions import MODES, at, begin, course_of, finish
from .trials import Trial

STOPS_OF_A_RUN = 3


def stop_at_random_times(number: int, count: int, seed: int) -> list[Trial]:
    """Send runs a signal from outside at any time, until `count` of them were stopped by it."""
    return _stop_runs(number, count, random.Random(seed), forced=False)


def stop_at_points(number: int, count: int, seed: int) -> list[Trial]:
    """Send runs a signal between two operations on files, or before a look at the flag."""
    return _stop_runs(number, count, random.Random(seed), forced=True)


def _stop_runs(number: int, count: int, draw: random.Random, forced: bool) -> list[Trial]:
    trials: list[Trial] = []
    while len(trials) < count:
        mode = draw.choice(MODES)
        wanted = min(draw.randint(1, STOPS_OF_A_RUN), count - len(trials))
        trials += _stop_a_run(mode, number, draw, wanted, forced)
    return trials


def _stop_a_run(mode: Mode, number: int, draw: random.Random, wanted: int, forced: bool) -> list[Trial]:
    """Stop a run's sessions one after another; a session that ends before the signal comes ends the run."""
    phases, problems = [], []
    with workspace() as folder:
        while len(phases) < wanted and not problems:
            phase, code, said = (_stop_itself if forced else _stop_from_outside)(mode, folder, number, draw)
            if code == 0:  # it came too late
                break
            phases.append(phase)
            problems += _wrong(folder / RUN, number, code, said)
        problems += [sentence for sentence in (finish(mode, folder),) if sentence]
        problems += [difference(folder / RUN, mode)] if not problems else []
    fault = signal.Signals(number).name + (" at a point" if forced else " at a random time")
    return [Trial(fault, phase, str(mode), "; ".join(filter(None, problems))) for phase in phases]


def _stop_itself(mode: Mode, folder: Path, number: int, draw: random.Random) -> tuple[str, int, str]:
    point, time_reached = course_of(mode).draw_point(draw)
    session = begin(mode, folder, at(point, time_reached, lambda: os.kill(os.getpid(), number)))
    return point, session.wait(), session.said


def _stop_from_outside(mode: Mode, folder: Path, number: int, draw: random.Random) -> tuple[str, int, str]:
    session = begin(mode, folder)
    session.wait_for_a_point()  # before it, the process is not yet the command's: it is still being forked
    time.sleep(draw.uniform(0, course_of(mode).seconds))
    phase = session.phase
    session.send(number)
    return f"after {phase}", session.wait(), session.said


def _wrong(run: Path, number: int, code: int, said: str) -> Sequence[str]:
    """What is wrong with how a session stopped: it says what it saved, or that there was nothing to save."""
    name = signal.Signals(number).name
    saved = bool(checkpoint_folder.ordered(run / "checkpoints"))
    if code == -number and (not saved or _is_over(run)):  # before or after the command looks after signals
        return []
    if code != 128 + number:
        return [f"{name} gave exit code {code}: {said.strip()}"]
    if "Stopped before the first step" in said or STOPPED_BEFORE_GOING_ON in said:
        return []
    if f"Stopped by {name}" not in said or not saved:
        return [f"{name} left no checkpoint: {said.strip()}"]
    checkpoint.load(run / "checkpoints" / "last")
    return []


def _is_over(run: Path) -> bool:
    summary = run / "summary.json"
    return summary.exists() and json.loads(summary.read_text())["status"] == "completed"
