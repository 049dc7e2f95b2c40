"""Running out of memory: said with a way out, or the step is done again in smaller micro-batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from imgfw.contract.errors import UsageError
from imgfw.engine import distributed
from imgfw.engine.generators import generator_states, restore_generators

if TYPE_CHECKING:
    from imgfw.engine.building import Parts
    from imgfw.engine.guard import Note
    from imgfw.engine.input.splits import Indices
    from imgfw.engine.progress import Progress


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or this machine, had no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


@dataclass(frozen=True)
class Before:
    """What a forward and a backward pass change besides the gradients, as it was before them."""

    buffers: list[Tensor]
    generators: dict[str, Any]

    @classmethod
    def of(cls, model: nn.Module) -> Before:
        """Keep the model's buffers and the global generators."""
        return cls([buffer.clone() for buffer in model.buffers()], generator_states())

    def restore(self, model: nn.Module) -> None:
        """Bring them back."""
        for buffer, before in zip(model.buffers(), self.buffers, strict=True):
            buffer.copy_(before)
        restore_generators(self.generators)


def halve_micro_batches(parts: Parts, progress: Progress, note: Note) -> bool:
    """Cut batches into micro-batches half as large from now on.

    Returns:
        whether that can be: they are as small as they may be, or other processes are in the same step.
    """
    epoch, step = divmod(progress.step, parts.plan.steps_per_epoch)
    now = parts.batches.micro_batches(epoch, step, progress.halvings)
    halved = parts.batches.micro_batches(epoch, step, progress.halvings + 1)
    if len(halved) == len(now) or distributed.world_size() > 1:
        return False
    progress.halvings += 1
    note(
        "out_of_memory",
        f"out of memory at step {progress.step + 1} with {_sizes(now)}; "
        f"the step is done again, and the run goes on, with {_sizes(halved)}",
        step=progress.step + 1,
        micro_batches=len(halved),
    )
    return True


def _sizes(micro_batches: Sequence[Indices]) -> str:
    largest = len(micro_batches[0])
    return f"micro-batches of {largest} sample{'s' * (largest != 1)}"


def out_of_memory_in_training(parts: Parts, progress: Progress) -> UsageError:
    """The error of a training step that does not fit into memory."""
    epoch, step = divmod(progress.step, parts.plan.steps_per_epoch)
    now = parts.batches.micro_batches(epoch, step, progress.halvings)
    message = f"Out of memory at step {progress.step + 1} with {_sizes(now)}."
    if len(now[0]) == 1 or parts.resolved.recipe.train.on_out_of_memory == "split":
        return UsageError(f"{message} They cannot be cut further.", "Make the images or the model smaller.")
    return UsageError(
        message,
        f"Set train.accumulate to {2 * len(now)}, which gives the same training with half the memory "
        f'(train.on_out_of_memory "split" does it when it must), or lower loader.batch_size to '
        f"{max(parts.resolved.recipe.loader.batch_size // 2, 1)}.",
    )


def out_of_memory_in_update(progress: Progress) -> UsageError:
    """The error of an optimizer whose state does not fit into memory."""
    return UsageError(
        f"Out of memory in the optimizer's step {progress.step + 1}.",
        "Smaller batches do not help there: take an optimizer with less state, as sgd, or a smaller model.",
    )


def out_of_memory_in_evaluation(split: str, size: int) -> UsageError:
    """The error of an evaluation that does not fit into memory."""
    message = f"Out of memory while the {split} split was evaluated, {size} samples at a time."
    if size == 1:
        return UsageError(message, "Make the images or the model smaller.")
    return UsageError(message, f"Set loader.eval_batch_size to {size // 2 * distributed.world_size()}.")
