"""Soft Dice losses for segmentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from imgfw import Gt, about

if TYPE_CHECKING:
    from imgfw import DatasetInfo
    from torch import Tensor


@about(tasks=("segmentation",))
class Dice:
    """One minus the Dice overlap of each image and class, averaged.

    For probabilities p (softmax) and the true mask g the overlap is
    `(2 sum(p g) + smooth) / (sum(p) + sum(g) + smooth)`. Takes logits `[B, K, H, W]` and masks `[B, H, W]`;
    pixels of `info.ignore_index` count for nothing. Computed in float32. Source: Milletari et al., "V-Net",
    2016, with plain sums in the denominator where the paper has sums of squares, as in Sudre et al.,
    "Generalised Dice overlap", 2017.

    Args:
        smooth: added to both sides of the fraction; a class that an image doesn't have then costs something
            only where it is predicted.
        include_background: false leaves class 0 out of the average.

    Raises:
        ValueError: when no class is left without the background.
    """

    _summed = (2, 3)

    def __init__(
        self, info: DatasetInfo, *, smooth: Annotated[float, Gt(0)] = 1.0, include_background: bool = True
    ) -> None:
        if not include_background and info.num_classes == 1:
            raise ValueError("include_background is false, but the background is the only class")
        self._smooth = smooth
        self._first_class = 0 if include_background else 1
        self._ignore_index = info.ignore_index

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean over images and classes."""
        import torch

        counts = (targets != self._ignore_index).unsqueeze(1)
        truth = targets.long().unsqueeze(1).where(counts, 0)
        probabilities = outputs.float().softmax(dim=1) * counts
        wanted = torch.zeros_like(probabilities).scatter(1, truth, counts.float())
        overlap = (probabilities * wanted).sum(self._summed)
        size = probabilities.sum(self._summed) + wanted.sum(self._summed)
        dice = (2 * overlap + self._smooth) / (size + self._smooth)
        return 1 - dice[..., self._first_class :].mean()


@about(tasks=("segmentation",), couples_batch=True)
class BatchDice(Dice):
    """One minus the Dice overlap of each class over the whole batch, averaged.

    Like `dice`, but all images of a batch are taken as one: steadier where a class is rare or its regions are
    small. Its value depends on the whole batch at once, so it cannot be accumulated over micro-batches.

    Args:
        smooth: added to both sides of the fraction; a class that a batch doesn't have then costs something
            only where it is predicted.
        include_background: false leaves class 0 out of the average.

    Raises:
        ValueError: when no class is left without the background.
    """

    _summed = (0, 2, 3)
