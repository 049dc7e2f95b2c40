"""Checking all targets before the first step, where that takes no decoding of images."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch

from imgfw.engine.input.loading import RawBatch, choose_num_workers, problem_of
from imgfw.engine.input.splits import BadSample, SplitView, Views
from imgfw.engine.input.workers import BatchLoader, Job, reading, serving

if TYPE_CHECKING:
    from imgfw.contract.task import Task
    from imgfw.engine.console import Console
    from imgfw.engine.input.bad_data import BadDataPolicy

_AT_ONCE = 1024
_JOB = 64
_ALONE = 1000
"""Up to so many samples are checked without workers, which take longer to start."""


def without_bad_targets(
    views: Views,
    task: Task,
    policy: BadDataPolicy,
    console: Console | None = None,
    num_workers: int | None = None,
) -> Views:
    """Check the targets, and leave out the samples whose targets cannot be right.

    Data in memory is checked at once. Other data is checked one by one where it can tell its targets without
    its images and a console is given, else when it is read.

    Args:
        views: the splits.
        task: checks the targets.
        policy: what is done with what is found; it gets all of a split's at once.
        console: shows how far the check is.
        num_workers: processes that read targets from files; None: as many as there are cores to spare.

    Raises:
        DataError: there are such samples, and the policy does not leave them out.
    """

    def checked(view: SplitView) -> SplitView:
        if view.in_batches:
            bad = find_bad_targets(view, task)
        elif view.tells_targets and console is not None:
            bad = _read_bad_targets(view, task, console, num_workers)
        else:
            bad = []
        policy.handle(bad)
        return view.without(bad) if bad else view

    rest = (checked(view) if view is not None else None for view in (views.val, views.test))
    return dataclasses.replace(views, train=checked(views.train), val=next(rest), test=next(rest))


def find_bad_targets(view: SplitView, task: Task) -> list[BadSample]:
    """Check every target of a split whose data is in memory."""
    bad = []
    for start in range(0, len(view), _AT_ONCE):
        indices = list(range(start, min(start + _AT_ONCE, len(view))))
        _, targets = view.batch(indices)
        bad += [view.bad_target(indices[position], reason) for position, reason in task.check(targets)]
    return bad


class _TargetReader:
    """Reads and checks the targets that a job names, in a worker or in line."""

    def __init__(self, view: SplitView, task: Task) -> None:
        self._view = view
        self._task = task

    def __getitem__(self, job: Job) -> RawBatch:
        found = [self._check(index) for index in reading(job[1])]
        return RawBatch(0, [], [], [], [bad for bad in found if bad is not None])

    def describe(self, job: Job) -> str:
        """Name the samples of a job to their owner."""
        return f"the targets of {self._view.names(job[1])} ({self._view.name} split)"

    def _check(self, index: int) -> BadSample | None:
        target = self._view.target(index)
        if isinstance(target, BadSample):
            return target
        problem = problem_of([target], self._task)
        return self._view.bad_target(index, problem) if problem else None


def _read_bad_targets(
    view: SplitView, task: Task, console: Console, num_workers: int | None
) -> list[BadSample]:
    """Check every target of a split whose dataset tells them without the images."""
    if num_workers is None:
        num_workers = choose_num_workers(False, torch.device("cpu"))
    jobs = [(0, list(range(start, min(start + _JOB, len(view))))) for start in range(0, len(view), _JOB)]
    loader = BatchLoader(_TargetReader(view, task), num_workers if len(view) > _ALONE else 0)
    bad: list[BadSample] = []
    console.begin(f"checking the targets of {view.name}", 0, len(view))
    with serving([loader]):
        for batch, (_, indices) in zip(loader.run(jobs), jobs, strict=True):
            bad += batch.bad
            console.advance(indices[-1] + 1)
    console.end()
    return bad
