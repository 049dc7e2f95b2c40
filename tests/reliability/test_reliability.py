"""A part of each row of proof; `make reliability` runs all of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial

import pytest
import torch

from . import (
    broken_disks,
    corruption,
    kills,
    loader_settings,
    many_steps,
    requests_to_stop,
    resume,
    two_processes,
)
from .outcome import RUN, difference, differing, undisturbed, workspace
from .recipes import Mode
from .rows import ROWS
from .sessions import at, begin, finish
from .trials import Trial, cells_of, problems_of

SEED = 4


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """As the proof at full size has it; processes are forked from this one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("work", "count"),
    [
        (partial(resume.resume_at_each_look, resume.MODES[::5]), 10),
        (resume.resume_three_times, 3),
        (loader_settings.change_loader_settings, 2),
        (loader_settings.keep_images, 1),
        (kills.kill_at_points, 6),
        (kills.kill_at_random_times, 4),
        (partial(requests_to_stop.stop_at_random_times, signal.SIGTERM), 3),
        (partial(requests_to_stop.stop_at_points, signal.SIGTERM), 4),
        (partial(requests_to_stop.stop_at_points, signal.SIGINT), 1),
        (partial(requests_to_stop.stop_at_points, signal.SIGUSR1), 1),
        (partial(corruption.corrupt_checkpoints, Mode("classification")), 50),
        (corruption.resume_from_corrupted, 2),
        (broken_disks.fail_at_points, 5),
        (broken_disks.limit_file_sizes, 3),
        (broken_disks.remove_folders, 3),
        (two_processes.stop_one_of_two, 1),
        (two_processes.kill_one_of_two, 1),
        (many_steps.train_many_steps, 3000),
    ],
)
def test_a_part_of_each_row_holds(work, count):
    trials = work(count, SEED)
    assert trials
    assert problems_of(trials) == []


@pytest.mark.parametrize("work", [broken_disks.fill_the_disk, broken_disks.mount_read_only])
def test_a_disk_of_its_own_that_fails_costs_nothing(work):
    trials = work(2, SEED)
    if not trials:
        pytest.skip("no disk can be mounted here")
    assert problems_of(trials) == []


@pytest.mark.parametrize("link", ["last", "best"])
def test_a_run_killed_between_its_last_checkpoint_and_the_links_to_it_has_them_in_the_end(link):
    improving = (("checkpoint.monitor", "train/loss"), ("checkpoint.mode", "min"))  # with each epoch
    mode = Mode("segmentation", more=improving)
    with workspace() as folder:
        kill = at(f"saving: rename checkpoints/{link}", 3, lambda: os.kill(os.getpid(), signal.SIGKILL))
        assert begin(mode, folder, kill).wait() == -signal.SIGKILL
        assert (folder / RUN / "checkpoints" / link).readlink().name == "2"
        assert finish(mode, folder) == ""
        assert difference(folder / RUN, mode) == ""


def test_what_differs_at_the_end_of_a_run_is_told():
    mode = Mode("classification")
    other = undisturbed(mode).fingerprint | {"metrics.csv": "another hash"}
    with workspace() as folder:
        assert finish(mode, folder) == ""
        assert difference(folder / RUN, mode) == ""
        assert differing(folder / RUN, other) == "other bytes in metrics.csv"
        assert differing(folder, other).startswith("the run did not end")


def test_the_table_counts_what_was_tried():
    killed = [Trial("SIGKILL", "saving", "a"), Trial("SIGKILL", "saving", "a", "lost")]
    trials = [*killed, Trial("EIO", "test", "b")]
    counted = [(cell.fault, cell.trials, cell.failures) for cell in cells_of(trials)]
    assert counted == [("EIO", 1, 0), ("SIGKILL", 2, 1)]
    assert problems_of(trials) == ["SIGKILL / saving / a: lost"]


def test_every_row_has_jobs_and_says_what_it_shows():
    for row in ROWS.values():
        assert row.what and row.jobs
