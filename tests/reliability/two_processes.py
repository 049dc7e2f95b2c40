"""A run of two processes, stopped by a signal to one of them, and resumed."""

from __future__ import annotations

import functools
import os
import random
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from .children import Child
from .outcome import RUN, differing, fingerprint, workspace
from .recipes import Mode
from .sessions import at, words_for
from .trials import Trial

MODES = (Mode("classification"), Mode("detection"))  # the Dice loss of the third task needs a whole batch
POINTS = ("training step", "last step of an epoch", "validation")


def stop_one_of_two(count: int, seed: int) -> list[Trial]:
    """Send one of two processes SIGTERM: both leave, and the resumed run ends like a straight one."""
    draw, trials = random.Random(seed), []
    for _ in range(count):
        mode, rank, point = draw.choice(MODES), draw.randrange(2), draw.choice(POINTS)
        stop = at(point, draw.randint(1, 3), lambda: os.kill(os.getpid(), signal.SIGTERM))
        with workspace() as folder:
            codes = _run_two(mode, folder, {rank: stop})
            expected = [128 + signal.SIGTERM] * 2
            problem = "" if codes == expected else f"exit codes {codes} instead of {expected}"
            problem = problem or _go_on(mode, folder)
        trials.append(Trial(f"SIGTERM to process {rank} of 2", point, f"{mode.task}, 2 processes", problem))
    return trials


def kill_one_of_two(count: int, seed: int) -> list[Trial]:
    """Kill one of two processes, and then the other, which cannot go on alone; resume the run."""
    draw, trials = random.Random(seed), []
    for _ in range(count):
        mode, rank, point = draw.choice(MODES), draw.randrange(2), draw.choice(POINTS)
        die = at(point, draw.randint(1, 3), lambda: os.kill(os.getpid(), signal.SIGKILL))
        with workspace() as folder:
            _run_two(mode, folder, {rank: die})
            problem = _go_on(mode, folder)
        trials.append(Trial(f"SIGKILL of process {rank} of 2", point, f"{mode.task}, 2 processes", problem))
    return trials


def _go_on(mode: Mode, folder: Path) -> str:
    codes = _run_two(mode, folder, {})
    return f"could not go on, exit codes {codes}" if any(codes) else differing(folder / RUN, _straight(mode))


@functools.cache
def _straight(mode: Mode) -> dict[str, str]:
    with workspace() as folder:
        codes = _run_two(mode, folder, {})
        assert codes == [0, 0], codes
        return fingerprint(folder / RUN)


def _run_two(mode: Mode, folder: Path, at_points: dict[int, Callable[[str], None]]) -> list[int]:
    """Run both processes of a session, connected as torchrun connects them; their exit codes."""
    words, port = words_for(mode, folder), _free_port()
    ranks = []
    for rank in range(2):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        environment = {name: str(value) for name, value in (place | meeting).items()}
        ranks.append(Child(words, folder / RUN, at_points.get(rank), environment))
    return [child.wait() for child in ranks]


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])
