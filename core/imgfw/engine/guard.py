"""Losses and gradients that are not finite: they never reach the weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from imgfw.contract.errors import DivergedError

if TYPE_CHECKING:
    from imgfw.engine.building import Parts
    from imgfw.engine.progress import Progress

Note = Callable[..., None]
"""Enters something into a run's events and says it: `note(event, sentence, **data)`."""

_NAMED_SAMPLES = 16
_NAMED_FILES = 4


class NonFiniteGuard:
    """Keeps steps whose loss or gradients are not finite from the weights and from the optimizer's state.

    On a CPU it looks before the step. On a GPU that would make every step wait: there an optimizer that can
    (the fused ones) skips the step by itself, told by `found_inf`, and the report comes with the next log.

    fp16's gradient scaler looks at the gradients itself, and those that are not finite are part of its search
    for a scale; then the guard judges the loss alone.

    Args:
        parts: the run's parts.
        progress: counts the steps that were skipped.
        note: told of each of them.
    """

    def __init__(self, parts: Parts, progress: Progress, note: Note) -> None:
        optimizer: Any = parts.optimizer
        self._parts = parts
        self._progress = progress
        self._note = note
        self._optimizer = optimizer
        self._skips = parts.resolved.recipe.train.non_finite == "skip"
        self._scaled = parts.scaler.is_enabled()
        self._can_defer = can_skip_by_itself(optimizer, parts.precision.device)
        self._has_momentum = any(group.get("momentum") for group in optimizer.param_groups)
        self._any_non_finite = FiniteCheck(parts.model, parts.precision.device)
        self._pending: list[tuple[int, Tensor]] = []
        self._buffers: list[Tensor] = []

    def begin_step(self) -> None:
        """Keep the model's buffers, where a step may be skipped: what is not finite gets into batch norms'
        running averages in the forward pass already."""
        if self._skips:
            self._buffers = [buffer.clone() for buffer in self._parts.model.buffers()]

    def allows(self, loss: Tensor, gradients: list[Tensor]) -> bool:
        """Look at a step that is about to be taken.

        Args:
            loss: scalar tensor, over all micro-batches and processes.
            gradients: as the optimizer will get them.

        Returns:
            whether to take it; True also where the optimizer itself will skip it.

        Raises:
            DivergedError: it is not finite, and the recipe says to stop.
        """
        if self._defers():
            self._leave_to_optimizer(loss, gradients)
            return True
        if not math.isfinite(value := float(loss)):
            self._handle(self._progress.step, f"The loss is {value}")
        elif not self._scaled and float(self._any_non_finite(gradients)):
            self._handle(self._progress.step, f"The gradient of {self._first_non_finite()} is not finite")
        else:
            return True
        self._restore_buffers(torch.ones(()))
        return False

    def counted(self, loss: Tensor, weight: Tensor | float) -> tuple[Tensor, Tensor | float]:
        """The loss of the step and its weight as they count in the epoch's: not at all, if it is skipped."""
        if not (self._skips and self._pending):
            return loss, weight
        bad = self._pending[-1][1] > 0
        return torch.where(bad, torch.zeros_like(loss), loss), torch.where(bad, 0.0, weight)

    def report(self) -> None:
        """Report what was left to the optimizer; waits for the device. Comes before anything is saved.

        Raises:
            DivergedError: a step since the last report was not finite, and the recipe says to stop.
        """
        if not self._pending:
            return
        found = torch.stack([bad for _, bad in self._pending]).tolist()
        steps = [step for (step, _), bad in zip(self._pending, found, strict=True) if bad]
        self._pending = []
        for step in steps:
            self._handle(step, "The loss or a gradient is not finite")

    def _defers(self) -> bool:
        # torch's fused SGD makes its momentum in its first step and leaves it unset when that is skipped.
        return self._can_defer and (not self._has_momentum or bool(self._optimizer.state))

    def _leave_to_optimizer(self, loss: Tensor, gradients: list[Tensor]) -> None:
        """Let the device decide whether the step is taken."""
        if self._scaled:  # the scaler tells the optimizer, and knows gradients only
            found = self._any_non_finite([], loss)
            gradients[0].masked_fill_(found > 0, math.nan)
        else:
            found = self._any_non_finite(gradients, loss)
            self._optimizer.found_inf = found
            self._optimizer.grad_scale = None
        self._pending.append((self._progress.step, found))
        self._restore_buffers(found)

    def _restore_buffers(self, found: Tensor) -> None:
        """Bring the buffers back to where they were before the step, if something is found: 1 or 0."""
        if not self._skips:
            return
        bad = found > 0
        for buffer, before in zip(self._parts.model.buffers(), self._buffers, strict=True):
            buffer.copy_(torch.where(bad.to(buffer.device), before, buffer))

    def _first_non_finite(self) -> str:
        return next(
            name
            for name, parameter in self._parts.model.named_parameters()
            if parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all())
        )

    def _handle(self, step: int, what: str) -> None:
        """Stop, or note that a step was skipped while there is budget.

        Args:
            step: the step's number, from 0.
            what: what is not finite.
        """
        place, data = self._place_of(step)
        message = f"{what} at {place}."
        if not self._skips:
            self._note("non_finite", "", **data, reason=what, skipped=False)
            raise _diverged(message)
        self._progress.skipped_steps += 1
        done, allowed = self._progress.skipped_steps, self._parts.resolved.recipe.train.max_skipped_steps
        if done > allowed:
            self._note("non_finite", "", **data, reason=what, skipped=False)
            raise _diverged(f"{message} It would be skipped, but train.max_skipped_steps is {allowed}.")
        self._note(
            "non_finite", f"{message} Skipped, {done} of {allowed}.", **data, reason=what, skipped=True
        )

    def _place_of(self, step: int) -> tuple[str, dict[str, Any]]:
        """Name a step, its batch and its samples, over all processes."""
        epoch, batch = divmod(step, self._parts.plan.steps_per_epoch)
        view = self._parts.data.views.train
        indices = self._parts.batches.batch(epoch, batch).tolist()
        samples = _listed([str(index) for index in indices], _NAMED_SAMPLES)
        data: dict[str, Any] = {"step": step + 1, "epoch": epoch + 1, "batch": batch + 1, "samples": indices}
        if hasattr(view.dataset, "name_of"):
            data["files"] = [view.source_of(index) for index in indices]
            samples += f": {_listed(data['files'], _NAMED_FILES)}"
        return f"step {step + 1} (epoch {epoch + 1}, batch {batch + 1}, training samples {samples})", data


def can_skip_by_itself(optimizer: torch.optim.Optimizer, device: torch.device) -> bool:
    """Whether an optimizer skips a step on a GPU when `found_inf` tells it to, as it does for a scaler."""
    return device.type == "cuda" and getattr(optimizer, "_step_supports_amp_scaling", False)


def _listed(items: Sequence[str], count: int) -> str:
    shown = ", ".join(items[:count])
    return f"{shown} and {len(items) - count} more" if len(items) > count else shown


class FiniteCheck:
    """Looks at tensors as torch's gradient scaler does: one call for all of a type, which multiplies by 1.

    A GPU is given two kernels, where looking at the loss and at the gradients with what they are made of
    took ten: in a small network's step, starting kernels is what takes the time.

    Args:
        model: whose gradients they will be.
        device: where it is.
    """

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        dtypes = {parameter.dtype for parameter in model.parameters()}
        self._dtype = dtypes.pop() if len(dtypes) == 1 else None
        self._device = device
        self._one = torch.ones((), device=device)

    def __call__(self, gradients: list[Tensor], loss: Tensor | None = None) -> Tensor:
        """1 if any number in gradients, or in the loss, is not finite, else 0: float scalar tensor."""
        tensors = gradients if loss is None else [*gradients, loss]
        alike = self._dtype is not None and (loss is None or loss.dtype is self._dtype)
        found = torch.zeros((), device=self._device)
        for group in [tensors] if alike else _by_dtype(tensors):
            torch._amp_foreach_non_finite_check_and_unscale_(group, found, self._one)
        return found


def _by_dtype(tensors: list[Tensor]) -> list[list[Tensor]]:
    dtypes = {tensor.dtype for tensor in tensors}
    return [[tensor for tensor in tensors if tensor.dtype is dtype] for dtype in dtypes]


def _diverged(message: str) -> DivergedError:
    return DivergedError(message, "Lower optimizer.lr, add scheduler.warmup_epochs or train.clip_grad_norm.")
