"""Which samples are in which batch, in what order."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from imgfw.contract.errors import DataError, UsageError
from imgfw.contract.random import mix


class BatchPlan:
    """Which samples are in which batch: a function of (seed, epoch, step), whatever the number of processes.

    A batch is what one optimizer step sees. It is cut into `accumulate` micro-batches, and each of those into
    one part a process.

    Args:
        num_samples: samples of the training split.
        batch_size: of one step, over all processes and micro-batches.
        accumulate: micro-batches of a step.
        seed: the run's.
        drop_last: leave out a last batch that is not full.
        smallest: samples that a process's part of a micro-batch has at least.
        rank: this process's number.
        world_size: number of processes.

    Raises:
        UsageError: a batch has less than a sample a process, or micro-batches are too small.
        DataError: the samples fill no batch.
    """

    def __init__(
        self,
        num_samples: int,
        batch_size: int,
        *,
        accumulate: int = 1,
        seed: int = 0,
        drop_last: bool = False,
        smallest: int = 1,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if batch_size < world_size:
            raise UsageError(
                f"A batch of {batch_size} samples cannot be shared by {world_size} processes.",
                f"Set loader.batch_size to {world_size} or more.",
            )
        most = max(batch_size // (world_size * smallest), 1)
        if smallest > 1 and accumulate > most:
            raise UsageError(
                f"train.accumulate {accumulate} cuts a batch of {batch_size} into micro-batches with a single"
                " sample, which batch norms cannot be trained with.",
                f"Set it to {most} or less.",
            )
        self._seed = seed
        self._batch_size = batch_size
        self._accumulate = accumulate
        self._smallest = smallest
        self._rank = rank
        self._world_size = world_size
        full, rest = divmod(num_samples, batch_size)
        # A batch of one sample cannot train a batch norm, and every process needs a part of each batch.
        keeps_rest = rest > 1 and rest >= world_size and not drop_last
        self.num_samples = num_samples
        self.steps_per_epoch = full + keeps_rest
        if not self.steps_per_epoch:
            raise DataError(
                f"{num_samples} training samples do not fill a batch of {batch_size}.",
                "Lower loader.batch_size or set loader.drop_last to false.",
            )
        self._order_epoch = -1
        self._order: NDArray[np.int64] = np.empty(0, np.int64)

    def batch(self, epoch: int, step: int) -> NDArray[np.int64]:
        """The samples of one step, over all processes: int64 `[B]`."""
        if epoch != self._order_epoch:
            generator = torch.Generator().manual_seed(mix(self._seed, epoch, 0x0D) % 2**63)
            self._order = torch.randperm(self.num_samples, generator=generator).numpy()
            self._order_epoch = epoch
        return self._order[step * self._batch_size : (step + 1) * self._batch_size]

    def size(self, step: int) -> int:
        """How many samples a step has, over all processes."""
        return min(self._batch_size, self.num_samples - step * self._batch_size)

    def micro_batches(self, epoch: int, step: int, halvings: int = 0) -> list[NDArray[np.int64]]:
        """This process's part of each micro-batch of a step.

        Args:
            epoch: from 0.
            step: within the epoch, from 0.
            halvings: how often the micro-batches were halved because they did not fit into memory.
        """
        batch = self.batch(epoch, step)
        most = max(len(batch) // (self._world_size * self._smallest), 1)
        wanted = min(self._accumulate << halvings, most)
        micro_batches = (_part(batch, number, wanted) for number in range(wanted))
        return [_part(micro_batch, self._rank, self._world_size) for micro_batch in micro_batches]


def _part(items: NDArray[np.int64], number: int, count: int) -> NDArray[np.int64]:
    """One of `count` parts of an array; the first ones are longer by one where they must be."""
    if count == 1:
        return items
    size, longer = divmod(len(items), count)
    start = number * size + min(number, longer)
    return items[start : start + size + (number < longer)]
