"""One step of the optimizer: forward, loss, backward, update."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.optim.optimizer as optimizer_module
from torch import Tensor, nn
from torch.autograd import _profiler_enabled as _profiler_runs  # type: ignore[attr-defined]

from imgfw.contract.errors import DataError
from imgfw.engine import distributed
from imgfw.engine.building import Parts
from imgfw.engine.criterion import LossValue
from imgfw.engine.guard import NonFiniteGuard, Note
from imgfw.engine.input.loading import Batch, RawBatch
from imgfw.engine.memory import (
    Before,
    halve_micro_batches,
    is_out_of_memory,
    out_of_memory_in_training,
    out_of_memory_in_update,
)
from imgfw.engine.parameters import trains_batch_norm
from imgfw.engine.progress import Progress


@dataclass(slots=True)
class _BatchLoss:
    """The loss of a batch over all its micro-batches, detached; `whole`: there is one, in one process."""

    mean: Tensor
    weight: Tensor | float
    whole: bool


def optimizer_step(
    parts: Parts, micro_batches: list[RawBatch], progress: Progress, guard: NonFiniteGuard, note: Note
) -> bool:
    """One step of the optimizer: the gradient of the whole batch's loss, whatever it was cut into.

    Returns:
        False if the step did not fit into memory: nothing was changed, and the same batch is to come again,
        in the smaller micro-batches that `progress` asks for now.

    Raises:
        DivergedError: the loss or a gradient is not finite.
        UsageError: the step does not fit into memory.
    """
    forget_gradients(parts.optimizer)
    guard.begin_step()
    may_split = parts.resolved.recipe.train.on_out_of_memory == "split"
    before = Before.of(parts.model) if may_split else None
    try:
        loss = _add_up_gradients(parts, micro_batches)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        if before is None or not halve_micro_batches(parts, progress, note):
            raise out_of_memory_in_training(parts, progress) from error
        before.restore(parts.model)
        return False
    if loss is not None:
        _update(parts, loss, progress, guard)
    return True


def _add_up_gradients(parts: Parts, micro_batches: list[RawBatch]) -> _BatchLoss | None:
    """Forward and backward of every micro-batch; None where no sample is left in any."""
    whole = len(micro_batches) == 1 and distributed.world_size() == 1
    losses: list[LossValue] = []
    for number, raw in enumerate(micro_batches, 1):
        parts.train_feeder.complete(raw)
        parts.data.policy.handle(raw.bad)
        if _is_used_up(raw, parts.model):
            _refuse_used_up(raw)
            continue
        batch = parts.train_feeder.prepare(raw)
        with _syncing(parts.forward, number == len(micro_batches)):
            loss = loss_of(parts, batch)
            value = loss.mean if whole else loss.sum
            parts.train_feeder.begin_next()
            parts.scaler.scale(value).backward()  # type: ignore[no-untyped-call]
        losses.append(loss)
    if whole and losses:
        return _BatchLoss(losses[0].mean.detach(), losses[0].weight, whole)
    return _over_all_parts(losses) if losses else None


def _update(parts: Parts, loss: _BatchLoss, progress: Progress, guard: NonFiniteGuard) -> None:
    """Change the weights by the gradients, unless something is not finite."""
    gradients = [
        gradient
        for group in parts.optimizer.param_groups
        for parameter in group["params"]
        if (gradient := parameter.grad) is not None
    ]
    if not loss.whole:
        torch._foreach_mul_(gradients, distributed.world_size() / loss.weight)
    if not guard.allows(loss.mean, gradients):
        return
    clip = parts.resolved.recipe.train.clip_grad_norm
    if clip is not None:
        parts.scaler.unscale_(parts.optimizer)
        nn.utils.clip_grad_norm_(parts.model.parameters(), clip)
    try:
        change_weights(parts.optimizer, parts.scaler)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise out_of_memory_in_update(progress) from error
    progress.add_loss(*guard.counted(loss.mean, loss.weight))


def forget_gradients(optimizer: torch.optim.Optimizer) -> None:
    """What `zero_grad` does, without its entry in the profiler, which takes longer than the work."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


def change_weights(optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler) -> None:
    """What `scaler.step` and `scaler.update` do; without fp16, the optimizer's step alone.

    Torch wraps every optimizer's step in an entry for its profiler, which takes some 30 us even where none
    runs: a tenth of a small network's step. It is left out unless a profiler runs, a hook wants to know of
    the step, or somebody has put another `step` in its place.
    """
    if scaler.is_enabled():
        _change_scaled(optimizer, scaler)
        return
    step: Any = type(optimizer).step
    if getattr(step, "__code__", None) is _WRAPPING and not _is_watched(optimizer):
        step.__wrapped__(optimizer)
    else:
        optimizer.step()


def _change_scaled(optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler) -> None:
    """What fp16 asks for. Torch's fused SGD makes its momentum in its first step, and leaves it unset when
    that step is skipped: then it is taken back, which is worth waiting for the device once."""
    has_momentum = any(group.get("momentum") for group in optimizer.param_groups)
    first = has_momentum and not optimizer.state
    scale = scaler.get_scale() if first else 0.0
    scaler.step(optimizer)
    scaler.update()
    if first and scaler.get_scale() < scale:  # it is lowered after what is not finite
        optimizer.state.clear()


_WRAPPING = torch.optim.Optimizer.profile_hook_step(lambda: None).__code__
"""The code of torch's wrapping, by which a step is known to be wrapped in it and in nothing else."""


def _is_watched(optimizer: Any) -> bool:
    """Whether somebody notices if an optimizer's step is called without torch's wrapping."""
    hooks = optimizer_module._global_optimizer_pre_hooks or optimizer_module._global_optimizer_post_hooks
    hooks = hooks or optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks
    own = vars(optimizer).get("step")  # torch's schedulers put one there, to know whether it was called
    replaced = own is not None and not hasattr(own, "_wrapped_by_lr_sched")
    return bool(hooks) or replaced or _profiler_runs()


def loss_of(parts: Parts, batch: Batch) -> LossValue:
    """Forward and loss of a micro-batch, in the run's precision."""
    with parts.precision.autocast():
        inputs = (batch.images, batch.targets) if parts.computes_losses else (batch.images,)
        return parts.criterion(parts.forward(*inputs), batch.targets, len(batch))


def _over_all_parts(losses: list[LossValue]) -> _BatchLoss:
    """The loss of a batch over its micro-batches and all processes."""
    sums = torch.stack([loss.sum.detach() for loss in losses]).sum()
    weights = torch.stack([_on_device(loss.weight, sums) for loss in losses]).sum()
    total, weight = distributed.sum_over_processes(sums), distributed.sum_over_processes(weights)
    return _BatchLoss(total / weight, weight, False)


_AT_ONCE = nullcontext()


def _on_device(weight: Tensor | float, like: Tensor) -> Tensor:
    """A weight as a tensor; a number is filled in there, since a copy would wait for the device."""
    return weight if isinstance(weight, Tensor) else torch.full((), weight, device=like.device)


def _syncing(forward: nn.Module, last: bool) -> AbstractContextManager[None]:
    """Processes exchange gradients at a step's last micro-batch only."""
    if last:
        return _AT_ONCE
    no_sync: Callable[[], AbstractContextManager[None]] = getattr(forward, "no_sync", nullcontext)
    return no_sync()


def _is_used_up(raw: RawBatch, model: nn.Module) -> bool:
    """Whether bad samples left too few of a micro-batch: none, or the single one that batch norms refuse."""
    count = len(raw.indices)
    return not count or (count == 1 and bool(raw.bad) and trains_batch_norm(model))


def _refuse_used_up(raw: RawBatch) -> None:
    """Several processes step together, so none of them can leave a batch out."""
    if distributed.world_size() > 1 and raw.bad:
        raise DataError(
            f"Too many samples of a process's batch are unusable, {raw.bad[0].source} among them.",
            "Mend them, raise loader.batch_size, or train with fewer processes.",
        )
