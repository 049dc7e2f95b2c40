"""One step of the optimizer: forward, loss, backward, update."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from imgfw.contract.errors import DataError
from imgfw.engine import distributed
from imgfw.engine.building import Parts
from imgfw.engine.criterion import LossValue
from imgfw.engine.guard import NonFiniteGuard
from imgfw.engine.loading import Batch, RawBatch
from imgfw.engine.progress import Progress


def optimizer_step(
    parts: Parts, micro_batches: list[RawBatch], progress: Progress, guard: NonFiniteGuard
) -> None:
    """One step of the optimizer: the gradient of the whole batch's loss, whatever it was cut into."""
    forget_gradients(parts.optimizer)
    whole = len(micro_batches) == 1 and distributed.world_size() == 1
    sums: list[Tensor] = []
    weights: list[Tensor | float] = []
    indices: list[int] = []
    for number, raw in enumerate(micro_batches, 1):
        parts.data.policy.handle(raw.bad)
        if not raw.indices:
            _refuse_empty(raw)
            continue
        batch = parts.train_feeder.prepare(raw)
        with _syncing(parts.forward, number == len(micro_batches)):
            loss = loss_of(parts, batch)
            value = loss.mean if whole else loss.sum
            parts.scaler.scale(value).backward()  # type: ignore[no-untyped-call]
        sums.append(loss.detached_sum())
        weights.append(loss.weight)
        indices.extend(raw.indices)
    if not sums:
        return
    batch_sum, batch_weight = _totals(sums, weights)
    guard.before_step(batch_sum, progress.step + 1, indices)
    if not whole:
        _scale_gradients(parts.model, distributed.world_size() / batch_weight)
    clip = parts.resolved.recipe.train.clip_grad_norm
    if clip is not None:
        parts.scaler.unscale_(parts.optimizer)
        nn.utils.clip_grad_norm_(parts.model.parameters(), clip)
    parts.scaler.step(parts.optimizer)
    parts.scaler.update()
    progress.add_loss(batch_sum, batch_weight)


def forget_gradients(optimizer: torch.optim.Optimizer) -> None:
    """What `zero_grad` does, without its entry in the profiler, which takes longer than the work."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


def loss_of(parts: Parts, batch: Batch) -> LossValue:
    """Forward and loss of a micro-batch, in the run's precision."""
    with parts.precision.autocast():
        inputs = (batch.images, batch.targets) if parts.computes_losses else (batch.images,)
        return parts.criterion(parts.forward(*inputs), batch.targets, len(batch))


def _totals(sums: list[Tensor], weights: list[Tensor | float]) -> tuple[Tensor, Tensor | float]:
    """The sum and the weight of a whole batch, over its micro-batches and all processes."""
    if len(sums) == 1 and distributed.world_size() == 1:
        return sums[0], weights[0]
    device = sums[0].device
    total = torch.stack(sums).sum()
    weight = torch.stack([torch.as_tensor(one, device=device) for one in weights]).sum()
    return distributed.sum_over_processes(total), distributed.sum_over_processes(weight)


def _syncing(forward: nn.Module, last: bool) -> AbstractContextManager[None]:
    """Processes exchange gradients at a step's last micro-batch only."""
    if last:
        return nullcontext()
    no_sync: Callable[[], AbstractContextManager[None]] = getattr(forward, "no_sync", nullcontext)
    return no_sync()


def _scale_gradients(model: nn.Module, factor: Tensor | float) -> None:
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    torch._foreach_mul_(gradients, factor)


def _refuse_empty(raw: RawBatch) -> None:
    """Several processes step together, so none of them can leave a batch out."""
    if distributed.world_size() > 1 and raw.bad:
        raise DataError(f"All samples of a process's batch are unusable, {raw.bad[0].source} among them.")
