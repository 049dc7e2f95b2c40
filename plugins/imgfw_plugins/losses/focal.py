"""Focal loss, of images and of pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from imgfw import Ge, about

from imgfw_plugins.losses.class_weights import class_weights
from imgfw_plugins.losses.reduction import weighted

if TYPE_CHECKING:
    from imgfw import DatasetInfo, Weighted
    from torch import Tensor

_SMALLEST_MISS = 1e-6
"""Below it 1 - p counts as this: a power smaller than 1 has no finite slope at 0."""


@about(tasks=("classification", "segmentation"))
class Focal:
    """Cross-entropy that counts samples the less, the better they are classified already.

    A sample whose class has probability p costs `-alpha (1 - p)^gamma log p`. Takes logits `[B, K]` with
    targets `[B]`, or logits `[B, K, H, W]` with masks `[B, H, W]`; pixels of `info.ignore_index` count for
    nothing. The loss is the mean over samples or pixels. Computed in float32. Source: Lin et al., "Focal Loss
    for Dense Object Detection", 2017, with a softmax.

    Args:
        gamma: how much easy samples are discounted; 0 is cross-entropy.
        alpha: a factor for each class, in the order of the classes; `balanced` makes it inverse to the number
            of training samples. The mean is not divided by it.

    Raises:
        ValueError: for a number of factors that isn't the number of classes, and for `balanced` where the
            dataset doesn't tell its class counts.
    """

    def __init__(
        self,
        info: DatasetInfo,
        *,
        gamma: Annotated[float, Ge(0)] = 2.0,
        alpha: list[Annotated[float, Ge(0)]] | Literal["balanced"] | None = None,
    ) -> None:
        self._gamma = gamma
        self._alpha = class_weights(info, alpha, "alpha")
        self._per_pixel = info.task == "segmentation"
        self._ignore_index = info.ignore_index

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor | Weighted:
        """The mean over the batch, as a sum and its weight for pixels."""
        targets = targets.long()
        if not self._per_pixel:
            return self._terms(outputs, targets).mean()
        counts = targets != self._ignore_index
        terms = self._terms(outputs, targets.where(counts, 0))
        return weighted((terms * counts).sum(), counts.sum())

    def _terms(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of each sample or pixel, in the shape of the targets."""
        from torch.nn.functional import cross_entropy

        cost = cross_entropy(outputs.float(), targets, reduction="none")
        miss = (-(-cost).expm1()).clamp(min=_SMALLEST_MISS)
        terms = miss.pow(self._gamma) * cost
        if self._alpha is None:
            return terms
        self._alpha = self._alpha.to(outputs.device)
        return terms * self._alpha[targets]
