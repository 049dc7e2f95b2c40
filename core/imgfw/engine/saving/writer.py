"""A thread that writes while training goes on."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread


class Writer:
    """Does one job at a time beside the training; what goes wrong in it is raised where training asks."""

    def __init__(self) -> None:
        self._thread: Thread | None = None
        self._failure: BaseException | None = None

    def start(self, job: Callable[[], None]) -> None:
        """Start a job, after the one before it.

        Raises:
            what the job before it raised.
        """
        self.wait()
        self._thread = Thread(target=self._do, args=(job,), name="imgfw-writer")
        self._thread.start()

    def _do(self, job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:  # belongs to the training, which learns of it at its next look
            self._failure = error

    def check(self) -> None:
        """Raise what went wrong since the last look; costs nothing when nothing did."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def wait(self) -> None:
        """Wait until the job is done.

        Raises:
            what it raised.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.check()
