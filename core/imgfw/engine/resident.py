"""The two limits of a training: the model's own step on resident batches, and what the input delivers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgfw.engine.parameters import set_training
from imgfw.engine.step import forget_gradients, loss_of

if TYPE_CHECKING:
    from imgfw.engine.building import Parts
    from imgfw.engine.loading import Batch, RawBatch

_RESIDENT = 4
"""Batches that are kept: enough that no cache holds the next one already."""


@dataclass(frozen=True)
class ResidentStep:
    """Forward, loss, backward and optimizer step on batches that lie ready, in the run's number formats.

    Nothing else: no loader, no callbacks, no logging, no schedule, no look at the loss.
    """

    parts: Parts
    steps: Iterator[list[Batch]]

    @classmethod
    def of(cls, parts: Parts) -> ResidentStep:
        """Prepare the first batches of an epoch, and put the model into training."""
        set_training(parts.model)
        kept = range(min(_RESIDENT, parts.batches.steps_per_epoch))
        plans = [parts.batches.micro_batches(0, step) for step in kept]
        jobs = [(0, indices) for plan in plans for indices in plan]
        fetched = iter(
            [parts.train_feeder.prepare(raw) for raw in parts.train_loader.run(jobs) if raw.indices]
        )
        steps = [list(itertools.islice(fetched, len(plan))) for plan in plans]
        return cls(parts, itertools.cycle(step for step in steps if step))

    def __call__(self) -> int:
        """Make one step; how many images it was."""
        parts, micro_batches = self.parts, next(self.steps)
        forget_gradients(parts.optimizer)
        for batch in micro_batches:
            loss = loss_of(parts, batch).mean / len(micro_batches)
            parts.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        parts.scaler.step(parts.optimizer)
        parts.scaler.update()
        return sum(map(len, micro_batches))


def delivery_of(parts: Parts) -> Callable[[], int]:
    """Fetch and prepare one micro-batch after the other, epoch after epoch, for nobody."""
    batches = _endless(parts)

    def deliver() -> int:
        return len(parts.train_feeder.prepare(next(batches)))

    return deliver


def _endless(parts: Parts) -> Iterator[RawBatch]:
    for epoch in itertools.count():
        steps = range(parts.batches.steps_per_epoch)
        jobs = [(epoch, indices) for step in steps for indices in parts.batches.micro_batches(epoch, step)]
        yield from (raw for raw in parts.train_loader.run(jobs) if raw.indices)
