"""Where the time of a training goes, measured while it goes at no cost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from imgfw.engine.speed.verdict import Setup

Phase = Literal["logging", "evaluating", "saving"]


@dataclass
class Clock:
    """Seconds of the training so far, and where they went.

    The session's first step is left out: workers start in it, and libraries choose their kernels.

    Attributes:
        training: in the steps of the epochs, with everything between two steps.
        waiting: of that, until the next batch was there: in line, fetching it.
        feeding: of that, in the transforms of whole batches and in sending batches to the device.
        logging: of that, in reading the loss and in writing it down. A GPU has to finish its work for that.
        evaluating: in the evaluations on the validation split.
        saving: in writing checkpoints.
        samples: images of the steps that were timed.
        steps: those steps.
        setup: what the verdict has to know of the run; None until it is built.
    """

    training: float = 0.0
    waiting: float = 0.0
    feeding: float = 0.0
    logging: float = 0.0
    evaluating: float = 0.0
    saving: float = 0.0
    samples: int = 0
    steps: int = 0
    setup: Setup | None = None
    _warm: bool = False
    _fed_before: float = 0.0
    _began: float = 0.0

    def begin_epoch(self) -> None:
        """The steps of an epoch begin."""
        self._began = time.perf_counter()

    def count(self, samples: int, fed: float) -> None:
        """A step is done.

        Args:
            samples: its images.
            fed: how long the feeder has worked so far, since it was made.
        """
        now = time.perf_counter()
        if self._warm:
            self.training += now - self._began
            self.samples += samples
            self.steps += 1
            self.feeding = fed - self._fed_before
        else:
            self._warm, self._fed_before, self.waiting = True, fed, 0.0
        self._began = now

    def end_epoch(self) -> None:
        """The steps of an epoch are done."""
        self.training += time.perf_counter() - self._began

    @contextmanager
    def during(self, phase: Phase) -> Iterator[None]:
        """Add what the context takes to one of the phases."""
        began = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, phase, getattr(self, phase) + time.perf_counter() - began)
