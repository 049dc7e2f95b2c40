"""The two limits of a training: the model's own step on resident batches, and what the input delivers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgfw.engine.parameters import set_training
from imgfw.engine.step import change_weights, forget_gradients, loss_of

if TYPE_CHECKING:
    from imgfw.engine.building import Parts
    from imgfw.engine.input.loading import Batch, RawBatch
    from imgfw.engine.input.workers import Job

_RESIDENT = 4
"""Batches that are kept: enough that no cache holds the next one already."""


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class BareStep:
    """Forward, loss, backward and optimizer step in the run's number formats, and nothing else.

    No callbacks, no logging, no schedule, no look at the loss.

    Attributes:
        parts: the run's.
        steps: the micro-batches of each step.
        before_backward: called before each backward pass.
    """

    parts: Parts
    steps: Iterator[list[Batch]]
    before_backward: Callable[[], None] = _nothing

    def __post_init__(self) -> None:
        set_training(self.parts.model)

    @classmethod
    def on_resident(cls, parts: Parts) -> BareStep:
        """On the first batches of an epoch, which lie ready on the device, again and again."""
        kept = range(min(_RESIDENT, parts.batches.steps_per_epoch))
        plans = [parts.batches.micro_batches(0, step) for step in kept]
        jobs = [(0, indices) for plan in plans for indices in plan]
        fetched = iter([parts.train_feeder.prepare(raw) for raw in _usable(parts, jobs)])
        steps = [list(itertools.islice(fetched, len(plan))) for plan in plans]
        return cls(parts, itertools.cycle(step for step in steps if step))

    @classmethod
    def on_delivered(cls, parts: Parts) -> BareStep:
        """On what the input delivers, a micro-batch a step."""
        delivered = ([parts.train_feeder.prepare(raw)] for raw in _endless(parts))
        return cls(parts, delivered, parts.train_feeder.begin_next)

    def __call__(self) -> int:
        """Make one step; how many images it was."""
        parts, micro_batches = self.parts, next(self.steps)
        forget_gradients(parts.optimizer)
        for batch in micro_batches:
            loss = loss_of(parts, batch).mean / len(micro_batches)
            self.before_backward()
            parts.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        change_weights(parts.optimizer, parts.scaler)
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
        yield from _usable(parts, jobs)


def _usable(parts: Parts, jobs: Sequence[Job]) -> Iterator[RawBatch]:
    """The batches that hold a sample, sent ahead as in training."""
    fetched = parts.train_feeder.ahead(parts.train_loader.run(jobs))
    return (raw for raw in fetched if len(raw.indices))
