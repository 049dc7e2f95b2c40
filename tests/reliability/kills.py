"""SIGKILL at any moment, again and again: the run loses what came since its last checkpoint, and no more."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

from .outcome import RUN, difference, workspace
from .recipes import Mode
from .sessions import MODES, at, begin, course_of, finish, lost
from .trials import Trial

AREAS = ("saving", "rotation", "recording", "validation", "test", "training step", "last step")
KILLS_OF_A_RUN = 3


def kill_at_random_times(count: int, seed: int) -> list[Trial]:
    """Kill runs from outside, at any time; `count` kills."""
    return _kill_runs(count, random.Random(seed), forced=False)


def kill_at_points(count: int, seed: int) -> list[Trial]:
    """Let runs kill themselves between two operations on files, or while evaluating; `count` kills."""
    return _kill_runs(count, random.Random(seed), forced=True)


def _kill_runs(count: int, draw: random.Random, forced: bool) -> list[Trial]:
    trials: list[Trial] = []
    while len(trials) < count:
        mode = draw.choice(MODES)
        wanted = min(draw.randint(1, KILLS_OF_A_RUN), count - len(trials))
        trials += _kill_a_run(mode, draw, wanted, forced)
    return trials


def _kill_a_run(mode: Mode, draw: random.Random, wanted: int, forced: bool) -> list[Trial]:
    """Kill a run's sessions one after another; a session that ends first ends the run."""
    phases, problem = [], ""
    with workspace() as folder:
        while len(phases) < wanted:
            phase, code = (_kill_itself if forced else _kill_from_outside)(mode, folder, draw)
            if code != -signal.SIGKILL:
                break
            phases.append(phase)
            problem = problem or lost(folder / RUN)
        problem = problem or finish(mode, folder) or difference(folder / RUN, mode)
    fault = "SIGKILL at a point" if forced else "SIGKILL at a random time"
    return [Trial(fault, phase, str(mode), problem) for phase in phases]


def _kill_itself(mode: Mode, folder: Path, draw: random.Random) -> tuple[str, int]:
    point, number = course_of(mode).draw_point(draw, draw.choice(AREAS))
    session = begin(mode, folder, at(point, number, lambda: os.kill(os.getpid(), signal.SIGKILL)))
    code = session.wait()
    return session.phase, code


def _kill_from_outside(mode: Mode, folder: Path, draw: random.Random) -> tuple[str, int]:
    session = begin(mode, folder)
    time.sleep(draw.uniform(0, course_of(mode).seconds))
    session.send(signal.SIGKILL)
    code = session.wait()
    return f"after {session.phase}", code
