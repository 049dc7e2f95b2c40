"""The state of a run that changes while it trains: one object, saved whole and brought back whole."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from imgfw.contract.callback import Best


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        step: optimizer steps done.
        epochs_done: epochs trained, evaluated and entered into the history.
        samples_seen: training samples seen, over all processes.
        loss_sum: sum of the losses of this epoch, on the device.
        loss_weight: its weight; a tensor where a criterion gave tensors.
        history: a row of metrics an epoch.
        best: the best epoch so far.
        stop: why training ended before its last step.
        finished: whether nothing is left to train.
        skipped_steps: steps that were skipped, since their loss or gradients were not finite.
        halvings: how often micro-batches were halved, since they did not fit into memory.
    """

    step: int = 0
    epochs_done: int = 0
    samples_seen: int = 0
    loss_sum: Tensor = field(default_factory=lambda: torch.zeros(()))
    loss_weight: Tensor | float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    best: Best | None = None
    stop: str | None = None
    finished: bool = False
    skipped_steps: int = 0
    halvings: int = 0

    def start_epoch(self, device: torch.device) -> None:
        """Begin the running loss anew."""
        self.loss_sum = torch.zeros((), device=device)
        self.loss_weight = 0.0

    def add_loss(self, mean: Tensor, weight: Tensor | float) -> None:
        """Add a batch's loss to the running loss, without waiting for the device."""
        if isinstance(weight, Tensor):
            self.loss_sum = self.loss_sum + mean * weight
        else:
            self.loss_sum.add_(mean, alpha=weight)
        self.loss_weight = self.loss_weight + weight

    def state_dict(self) -> dict[str, Any]:
        """Everything, as `load_state_dict` takes it."""
        return {**vars(self), "best": asdict(self.best) if self.best else None}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Take back what `state_dict` returned."""
        vars(self).update(state)
        self.best = Best(**state["best"]) if state["best"] else None
        self.loss_sum = self.loss_sum.to(device)
        if isinstance(self.loss_weight, Tensor):
            self.loss_weight = self.loss_weight.to(device)
