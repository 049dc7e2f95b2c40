"""The losses that a model computes itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgfw import about

if TYPE_CHECKING:
    from torch import Tensor


@about(tasks=("detection",), sums_own_losses=True)
class OwnLosses:
    """The sum of the losses that the model computes itself, each reported by its name.

    For models that take images and targets in training and return a dict of losses, as torchvision's
    detection models do. In evaluation they return detections, so there is no `val/loss`.
    """

    def __call__(self, outputs: dict[str, Tensor], targets: Any) -> dict[str, Tensor]:
        """The model's losses, in float32."""
        return {name: loss.float() for name, loss in outputs.items()}
