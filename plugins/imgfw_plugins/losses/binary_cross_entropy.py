"""Binary cross-entropy, for images with any number of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from imgfw import Gt, about

if TYPE_CHECKING:
    from imgfw import DatasetInfo
    from torch import Tensor


@about(tasks=("multilabel",))
class BinaryCrossEntropy:
    """Binary cross-entropy of each class on its own, averaged.

    Takes logits and multi-hot targets, both `[B, K]`. Computed in float32.

    Args:
        pos_weight: how much more an image that shows the class counts than one that doesn't: one number for
            all classes, or one a class.

    Raises:
        ValueError: for a number of weights that isn't the number of classes.
    """

    def __init__(
        self,
        info: DatasetInfo,
        *,
        pos_weight: Annotated[float, Gt(0)] | list[Annotated[float, Gt(0)]] | None = None,
    ) -> None:
        import torch

        if isinstance(pos_weight, list) and len(pos_weight) != info.num_classes:
            raise ValueError(
                f"pos_weight has {len(pos_weight)} values, but there are {info.num_classes} classes"
            )
        self._pos_weight = None if pos_weight is None else torch.tensor(pos_weight)

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean over images and classes."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        if self._pos_weight is not None:
            self._pos_weight = self._pos_weight.to(outputs.device)
        return binary_cross_entropy_with_logits(outputs.float(), targets.float(), pos_weight=self._pos_weight)
