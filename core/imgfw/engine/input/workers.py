"""Data workers: running jobs in them, in order, and knowing what one was doing that died."""

from __future__ import annotations

import ctypes
import multiprocessing
import signal
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pickle import PicklingError
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from torch.utils.data import DataLoader, get_worker_info

from imgfw.contract.errors import DataError, ImgfwError, PluginError
from imgfw.engine.input.splits import Indices
from imgfw.engine.interruption import ignore_signals_in_worker

if TYPE_CHECKING:
    from imgfw.engine.input.loading import RawBatch

Job = tuple[int, Indices]
"""What a worker is asked for: the epoch, and the indices of a micro-batch's samples."""


class Source(Protocol):
    """What does jobs, in a worker or in line."""

    def __getitem__(self, job: Job) -> RawBatch: ...

    def describe(self, job: Job) -> str:
        """Name the samples of a job to their owner."""
        ...


class _Jobs:
    """The jobs of an epoch, each with its own number: the sampler of a loader that outlives the epoch."""

    def __init__(self) -> None:
        self.jobs: Sequence[Job] = []
        self.first = 0

    def replace(self, jobs: Sequence[Job]) -> None:
        self.first += len(self.jobs)
        self.jobs = jobs

    def __iter__(self) -> Iterator[tuple[int, Job]]:
        return iter(enumerate(self.jobs, self.first))

    def __len__(self) -> int:
        return len(self.jobs)


class BatchLoader:
    """Runs jobs in order, in worker processes or in line.

    Use it within `serving`, which says what a worker read that died, and ends the workers.

    Args:
        fetcher: does the jobs.
        num_workers: processes; 0 means in line.
        prefetch: batches that each worker prepares ahead.
        pin_memory: put batches where a GPU copies from fastest.
    """

    def __init__(
        self, fetcher: Source, num_workers: int, prefetch: int = 2, pin_memory: bool = False
    ) -> None:
        self._fetcher = fetcher
        self._sampler = _Jobs()
        self._loader: DataLoader[Any] | None = None
        self._notes = _make_notes(num_workers)
        if num_workers:
            self._loader = _torch_loader(
                fetcher, self._notes, self._sampler, num_workers, prefetch, pin_memory
            )

    def run(self, jobs: Sequence[Job]) -> Iterator[RawBatch]:
        """Fetch what the jobs ask for.

        Raises:
            ImgfwError: what the fetcher raised.
            RuntimeError: a worker died; `serving` says more.
        """
        if self._loader is None:
            return map(self._fetcher.__getitem__, jobs)
        return self._from_workers(jobs)

    def _from_workers(self, jobs: Sequence[Job]) -> Iterator[RawBatch]:
        self._sampler.replace(jobs)
        for batch in self._started():
            if isinstance(batch, BaseException):
                try:
                    raise batch
                finally:
                    del batch  # a cycle of error and frame would keep the workers alive
            yield batch

    def _started(self) -> Iterator[Any]:
        """The loader's batches; the first time, its workers are started."""
        assert self._loader is not None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch's, of what is raised as well
                return iter(self._loader)
        except (TypeError, AttributeError, PicklingError) as error:
            raise PluginError(
                f"The dataset, the task or a transform cannot be sent to a data worker: {error}.",
                "Set loader.num_workers to 0; its author can move it to the top level of a module.",
            ) from error

    def death(self) -> str:
        """Say what a worker that died was doing; empty while all are alive."""
        for worker, process in enumerate(self.processes()):
            if not process.is_alive():
                return f"{_ending(process)} {self._work_of(worker)}"
        return ""

    def _work_of(self, worker: int) -> str:
        number, index = self._notes[worker]
        if number < self._sampler.first:
            return "while it waited for work"
        epoch, indices = self._sampler.jobs[number - self._sampler.first]
        if index != _NOTHING:
            return f"while it read {self._fetcher.describe((epoch, [index]))}"
        return f"while it prepared the batch of {self._fetcher.describe((epoch, indices))}"

    def _iterator(self) -> Any:
        """Torch's iterator, which owns the workers; None before they are started."""
        return self._loader._iterator if self._loader is not None else None

    def processes(self) -> list[BaseProcess]:
        """The workers that were started."""
        iterator = self._iterator()
        return list(iterator._workers) if iterator is not None else []

    def close(self) -> None:
        """End the workers, as soon as each has done the job that it is at."""
        iterator = self._iterator()
        if self._loader is not None and iterator is not None:
            with suppress(RuntimeError):  # of a worker that dies of its last job
                iterator._shutdown_workers()
            self._loader._iterator = None


def _torch_loader(
    fetcher: Source, notes: Any, sampler: _Jobs, num_workers: int, prefetch: int, pin_memory: bool
) -> DataLoader[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # more workers than cores may be what is wanted
        return DataLoader(
            cast(Any, _InWorker(fetcher, notes)),  # indexed by jobs, not by numbers
            batch_size=None,
            sampler=cast(Any, sampler),
            num_workers=num_workers,
            collate_fn=_as_it_is,
            persistent_workers=True,
            prefetch_factor=prefetch,
            pin_memory=pin_memory,
            worker_init_fn=ignore_signals_in_worker,
            generator=torch.Generator(),  # its own: the global one belongs to the model
        )


@contextmanager
def serving(loaders: Sequence[BatchLoader]) -> Iterator[None]:
    """Use loaders: a worker that dies is an error that says what it read, and no worker outlives the context.

    Raises:
        DataError: a worker died.
    """
    try:
        yield
    except (RuntimeError, OSError, EOFError, PluginError) as error:
        death = _find_death(loaders, error)
        if not death:
            raise
        raise DataError(
            f"A data worker {death}.",
            "If memory ran out, lower loader.num_workers or loader.batch_size; "
            "if a file kills its decoder, remove the file.",
        ) from error
    finally:
        for loader in loaders:
            loader.close()


def _find_death(loaders: Sequence[BatchLoader], error: Exception) -> str:
    """What a worker that died was doing; empty when none has.

    Torch raises a RuntimeError from a signal handler when a worker dies, so within anything. The connection
    to a dying worker may break a moment earlier.
    """
    if isinstance(error, OSError | EOFError):
        processes = [process for loader in loaders for process in loader.processes()]
        with suppress(RuntimeError):
            ready = wait([process.sentinel for process in processes], timeout=1)
            for process in processes:
                if process.sentinel in ready:
                    process.join()
    return next(filter(None, (loader.death() for loader in loaders)), "")


class _InWorker:
    """Fetches in a worker, noting what it is at; hands over a failure, of which torch would make another."""

    def __init__(self, fetcher: Source, notes: Any) -> None:
        self._fetcher = fetcher
        self._notes = notes

    def __getitem__(self, numbered: tuple[int, Job]) -> RawBatch | BaseException:
        number, job = numbered
        try:
            with _at_work(self._notes, number):
                return self._fetcher[job]
        except (ImgfwError, SystemExit, KeyboardInterrupt) as error:
            return error


def _as_it_is(batch: Any) -> Any:
    return batch


_NOTHING = -1
"""In the notes of a worker: no job, or no sample."""

_now: Any = None
"""In a worker that is at a job: its row of the notes."""


def _make_notes(num_workers: int) -> Any:
    """What workers tell the process that they work for: each its job's number, and the sample it reads."""
    notes = multiprocessing.RawArray(ctypes.c_int64 * 2, num_workers)
    for row in notes:
        row[0] = row[1] = _NOTHING
    return notes


@contextmanager
def _at_work(notes: Any, number: int) -> Iterator[None]:
    """In a worker: note that it is at a job while the context lasts."""
    global _now
    info = get_worker_info()
    assert info is not None
    _now = notes[info.id]
    _now[0], _now[1] = number, _NOTHING
    try:
        yield
    finally:
        _now[0] = _NOTHING
        _now = None


def reading(indices: Iterable[int]) -> Iterator[int]:
    """Go through samples that are read one by one; a worker notes which."""
    if _now is None:
        yield from indices
        return
    for index in indices:
        _now[1] = index
        yield index
    _now[1] = _NOTHING


def _ending(process: BaseProcess) -> str:
    """Say how a process ended."""
    code = process.exitcode or 0
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    return f"was killed by {name}" + (" (out of memory, as a rule)" if name == "SIGKILL" else "")
