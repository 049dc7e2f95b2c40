"""Losses that are not finite: they never reach the weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from imgfw.contract.errors import DivergedError


class NonFiniteGuard:
    """Keeps steps with a loss that is not finite from the weights, and reports them.

    On a CPU the loss is looked at before the step. On a GPU that would make every step wait: there the
    fused optimizer is told to skip the step (`found_inf`), and the report comes with the next log. A GPU
    optimizer that cannot be told is made to wait.

    Args:
        optimizer: the optimizer.
        device: where the loss is.
        scaled: whether a gradient scaler drives the optimizer.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, device: torch.device, scaled: bool) -> None:
        self._optimizer: Any = optimizer
        fused = all(group.get("fused") for group in optimizer.param_groups)
        self._scaled = scaled
        self._deferred = device.type == "cuda" and fused
        self._first_bad = torch.full((), -1, dtype=torch.int64, device=device)

    def before_step(self, loss: Tensor, step: int, indices: Sequence[int]) -> None:
        """Look at the loss of a step that is about to be taken.

        Args:
            loss: scalar tensor.
            step: number of the step, from 1.
            indices: the training samples in its batch.

        Raises:
            DivergedError: the loss is not finite.
        """
        if not self._deferred:
            value = float(loss)
            if not math.isfinite(value):
                shown = ", ".join(str(index) for index in indices[:16])
                more = f" and {len(indices) - 16} more" if len(indices) > 16 else ""
                raise _diverged(f"The loss is {value} at step {step} (training samples {shown}{more}).")
            return
        bad = ~torch.isfinite(loss)
        first = (self._first_bad < 0) & bad
        self._first_bad = torch.where(first, step, self._first_bad)
        if not self._scaled:  # else the scaler tells the optimizer itself
            self._optimizer.found_inf = bad.float()
            self._optimizer.grad_scale = None

    def report(self) -> None:
        """Report what was deferred; waits for the device.

        Raises:
            DivergedError: a loss since the last report was not finite.
        """
        if self._deferred and (step := int(self._first_bad)) >= 0:
            raise _diverged(
                f"The loss is not finite at step {step}; its step and those like it were skipped."
            )


def _diverged(message: str) -> DivergedError:
    return DivergedError(message, "Lower optimizer.lr, add scheduler.warmup_epochs or train.clip_grad_norm.")
