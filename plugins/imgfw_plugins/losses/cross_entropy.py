"""Cross-entropy, of images and of pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from imgfw import Ge, Lt, about

from imgfw_plugins.losses.class_weights import class_weights
from imgfw_plugins.losses.reduction import weighted

if TYPE_CHECKING:
    from imgfw import DatasetInfo, Weighted
    from torch import Tensor


@about(tasks=("classification", "segmentation"))
class CrossEntropy:
    """Cross-entropy between logits and class indices.

    Takes logits `[B, K]` with targets `[B]`, or logits `[B, K, H, W]` with masks `[B, H, W]`; pixels of
    `info.ignore_index` count for nothing. Computed in float32. Label smoothing: Szegedy et al., "Rethinking
    the Inception Architecture for Computer Vision", 2016.

    Args:
        label_smoothing: the share of the target's probability that is spread over all classes, from 0 to
            less than 1.
        weight: one weight a class, in the order of the classes; `balanced` lets every class count alike,
            whatever its number of training samples. The loss is then the weighted mean.

    Raises:
        ValueError: for a number of weights that isn't the number of classes, and for `balanced` where the
            dataset doesn't tell its class counts.
    """

    def __init__(
        self,
        info: DatasetInfo,
        *,
        label_smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0,
        weight: list[Annotated[float, Ge(0)]] | Literal["balanced"] | None = None,
    ) -> None:
        from torch.nn.functional import cross_entropy

        self._cross_entropy = cross_entropy
        self._label_smoothing = label_smoothing
        self._weight = class_weights(info, weight, "weight")
        self._per_pixel = info.task == "segmentation"
        self._ignore_index = info.ignore_index

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor | Weighted:
        """The mean over the batch, as a sum and its weight where samples or pixels weigh differently."""
        smoothing = self._label_smoothing
        if self._weight is None and not self._per_pixel:
            return self._cross_entropy(outputs.float(), targets, label_smoothing=smoothing)
        if self._weight is not None:
            self._weight = self._weight.to(outputs.device)
        targets = targets.long()
        total = self._cross_entropy(
            outputs.float(),
            targets,
            weight=self._weight,
            ignore_index=self._ignore_index,
            label_smoothing=smoothing,
            reduction="sum",
        )
        return weighted(total, self._weight_of(targets))

    def _weight_of(self, targets: Tensor) -> Tensor:
        counts = targets != self._ignore_index
        if self._weight is None:
            return counts.sum()
        return (self._weight[targets.where(counts, 0)] * counts).sum()
