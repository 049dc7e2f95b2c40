"""Semantic segmentation: one class a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from imgfw import DataError, Task

from imgfw_plugins.tasks.logits import wrong_shape

if TYPE_CHECKING:
    from torch import Tensor


class Segmentation(Task):
    """One class a pixel.

    A dataset's target is a `torchvision.tv_tensors.Mask`, integers `[H, W]` or `[1, H, W]`: the class index
    of each pixel, or `info.ignore_index` where a pixel counts for nothing. The model returns logits
    `[B, K, H, W]`.

    - targets: int64 `[B, H, W]`.
    - predictions: int64 `[B, H, W]`, the likeliest class of each pixel.
    - records: `classes`, the share of the pixels of each class by name, and `mask_tensor`, uint8 `[H, W]`
      (int32 with more than 256 classes).
    """

    default_loss: ClassVar[str] = "cross_entropy"
    default_metrics: ClassVar[tuple[str, ...]] = ("mean_iou",)

    def collate(self, targets: Sequence[Any]) -> Tensor:
        """Masks as int64 `[B, H, W]`.

        Raises:
            imgfw.DataError: when the masks have different sizes.
        """
        import torch

        sizes = sorted({tuple(target.shape[-2:]) for target in targets})
        if len(sizes) > 1:
            listed = ", ".join(f"{height}x{width}" for height, width in sizes)
            raise DataError(
                f"The masks of a batch have different sizes: {listed} (height x width).",
                "Add resize, center_crop or random_resized_crop to the transforms, to make them alike.",
            )
        height, width = sizes[0]
        masks = torch.stack([target.reshape(height, width) for target in targets])
        if masks.is_floating_point():
            raise TypeError(f"a mask holds integers, not {masks.dtype}")
        return masks.long()

    def check(self, targets: Tensor) -> list[tuple[int, str]]:
        """Find masks that hold values which are neither classes nor ignored."""
        num_classes, ignored = self.info.num_classes, self.info.ignore_index
        known = (targets >= 0) & (targets < num_classes) | (targets == ignored)
        if targets.is_floating_point():
            known &= targets == targets.round()
        right = known.flatten(1).all(dim=1)
        return [(i, self._problem(targets[i][~known[i]])) for i in (~right).nonzero().flatten().tolist()]

    def _problem(self, unknown: Tensor) -> str:
        """Say which values a mask holds that have no meaning, and in how many pixels."""
        values, counts = unknown.unique(return_counts=True)
        found = [
            f"{value:.10g} in {count:,} pixel{'s' if count > 1 else ''}"
            for value, count in zip(values.tolist(), counts.tolist(), strict=True)
        ]
        more = f" and {len(found) - 5} other values" if len(found) > 5 else ""
        return (
            f"its mask holds {', '.join(found[:5])}{more}; known are the {self.info.num_classes} classes "
            f"(0..{self.info.num_classes - 1}) and the ignored value {self.info.ignore_index}"
        )

    def check_outputs(self, outputs: Any) -> str:
        """Outputs are logits `[B, K, H, W]`."""
        return wrong_shape(outputs, 4, self.info.num_classes)

    def predictions(self, outputs: Tensor) -> Tensor:
        """The likeliest class of each pixel, int64 `[B, H, W]`."""
        return outputs.argmax(dim=1)

    def records(self, predictions: Tensor) -> list[dict[str, Any]]:
        """What share of each image each class has, and the mask."""
        return [self._record(mask) for mask in predictions.cpu()]

    def _record(self, mask: Tensor) -> dict[str, Any]:
        import torch

        num_classes = self.info.num_classes
        counts = torch.bincount(mask.flatten(), minlength=num_classes)
        shares = (counts.double() / mask.numel()).tolist()
        return {
            "classes": dict(zip(self.info.classes, shares, strict=True)),
            "mask_tensor": mask.to(torch.uint8 if num_classes <= 256 else torch.int32),
        }
