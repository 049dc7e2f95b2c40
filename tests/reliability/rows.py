"""The rows of proof: what each shows, and the jobs that it consists of."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from . import (
    broken_disks,
    corruption,
    fuzzed_images,
    hostile_recipes,
    kills,
    loader_settings,
    many_steps,
    mutated_recipes,
    planted_labels,
    requests_to_stop,
    resume,
    two_processes,
)
from .trials import Trial

LOOKS = 32
"""Looks of a run at the interruption flag: after 24 steps, and after 8 batches of evaluation."""
KILLS_A_JOB = 10


@dataclass(frozen=True)
class Job:
    """A piece of a row that runs in a process of its own.

    Attributes:
        work: takes a count and a seed.
        count: at full size.
    """

    work: Callable[[int, int], list[Trial]]
    count: int


@dataclass(frozen=True)
class Row:
    """A row of proof, by its name.

    Attributes:
        what: what it shows.
        jobs: what it consists of.
    """

    what: str
    jobs: Sequence[Job]


def _parts(work: Callable[[int, int], list[Trial]], count: int, size: int = KILLS_A_JOB) -> list[Job]:
    return [Job(work, min(size, count - start)) for start in range(0, count, size)]


def _all_hostile_recipes(count: int, seed: int) -> list[Trial]:
    """The hostile recipes; they are a list, so there is nothing to draw."""
    return hostile_recipes.check_hostile_recipes()[:count]


ROWS = {
    "resume": Row(
        "Stopped at any of its steps or while evaluating, and resumed: the same bytes",
        [Job(partial(resume.resume_at_each_look, (mode,)), LOOKS) for mode in resume.MODES],
    ),
    "three": Row(
        "Stopped at three random moments one after another: the same bytes",
        _parts(resume.resume_three_times, 50),
    ),
    "loader": Row(
        "Other numbers of workers, other prefetch, kept images: the same bytes",
        [
            Job(loader_settings.change_loader_settings, len(loader_settings.SETTINGS)),
            Job(loader_settings.keep_images, len(loader_settings.CACHES)),
        ],
    ),
    "sigkill": Row(
        "Killed at random times and at chosen points, up to three times: nothing is lost but what came since "
        "the last checkpoint, and it ends with the same bytes",
        [*_parts(kills.kill_at_points, 100), *_parts(kills.kill_at_random_times, 100)],
    ),
    "signals": Row(
        "SIGTERM, SIGINT, SIGUSR1: the documented exit code, the state saved, the same bytes once resumed",
        [
            *_parts(partial(requests_to_stop.stop_at_random_times, signal.SIGTERM), 100),
            *_parts(partial(requests_to_stop.stop_at_points, signal.SIGTERM), 50),
            *_parts(partial(requests_to_stop.stop_at_random_times, signal.SIGINT), 20),
            *_parts(partial(requests_to_stop.stop_at_points, signal.SIGUSR1), 20),
        ],
    ),
    "corruption": Row(
        "Damaged files of checkpoints: each is found, and the last whole checkpoint used",
        [
            *(Job(partial(corruption.corrupt_checkpoints, mode), 250) for mode in corruption.MODES),
            *_parts(corruption.resume_from_corrupted, 20),
        ],
    ),
    "disks": Row(
        "Disks full, failing, read-only, folders removed: one sentence, earlier checkpoints whole, the same "
        "bytes once mended and resumed",
        [
            *_parts(broken_disks.fail_at_points, 100),
            *_parts(broken_disks.fill_the_disk, 30),
            *_parts(broken_disks.limit_file_sizes, 20),
            *_parts(broken_disks.mount_read_only, 10),
            *_parts(broken_disks.remove_folders, 30),
        ],
    ),
    "processes": Row(
        "Two processes, one of them stopped or killed: the same bytes once resumed",
        [*_parts(two_processes.stop_one_of_two, 10, 5), *_parts(two_processes.kill_one_of_two, 5)],
    ),
    "images": Row(
        "Damaged images of every format, read as an image and as a mask: read or refused with a sentence",
        [Job(fuzzed_images.fuzz_images, 3000)],
    ),
    "labels": Row(
        "Faults planted into labels, masks and boxes: found before the first step, with file and value",
        [Job(planted_labels.plant_faults, 1000)],
    ),
    "recipes": Row(
        "Recipes changed at random: a right one, or sentences; nothing runs, nothing is written elsewhere",
        _parts(mutated_recipes.check_mutated_recipes, 10_000, 1000),
    ),
    "hostile": Row(
        "Recipes that mean harm: refused with a sentence; nothing runs, nothing is written elsewhere",
        [Job(_all_hostile_recipes, sum(map(len, hostile_recipes.ALL.values())))],
    ),
    "steps": Row(
        "100,000 steps in one process: memory grows by less than 2 %, open files stay as many",
        [Job(many_steps.train_many_steps, 100_000)],
    ),
}
