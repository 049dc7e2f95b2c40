"""Models that keep class 0 for the background, used with labels that start at 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def reserve_background(model: nn.Module) -> None:
    """Shift labels by one on their way into a detector and back on their way out.

    Hooks do it, so the model and its state dict stay torchvision's own. The caller's targets aren't touched.
    """
    model.register_forward_pre_hook(_shift_targets)
    model.register_forward_hook(_shift_predictions)


def _shift_targets(model: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    images, *targets = arguments
    if not targets or targets[0] is None:
        return arguments
    return images, [{**each, "labels": each["labels"] + 1} for each in targets[0]]


def _shift_predictions(model: nn.Module, arguments: tuple[Any, ...], outputs: Any) -> Any:
    if model.training:
        return outputs
    return [{**each, "labels": each["labels"] - 1} for each in outputs]
