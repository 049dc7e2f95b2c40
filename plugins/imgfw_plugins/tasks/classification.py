"""Classification: one class an image."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import TYPE_CHECKING, Any, ClassVar

from imgfw import Task

from imgfw_plugins.tasks.logits import wrong_shape

if TYPE_CHECKING:
    from torch import Tensor


class Classification(Task):
    """One class an image.

    A dataset's target is the class index, an int. The model returns logits `[B, K]`.

    - targets: int64 `[B]`.
    - predictions: float32 `[B, K]`, softmax probabilities.
    - records: `label`, `index` and `probability` of the likeliest class, and `probabilities` of all by name.
    """

    of_whole_images: ClassVar[bool] = True
    default_loss: ClassVar[str] = "cross_entropy"
    default_metrics: ClassVar[tuple[str, ...]] = ("accuracy",)

    def collate(self, targets: Sequence[Any]) -> Tensor:
        """Class indices as int64 `[B]`."""
        import torch

        return torch.tensor([index(target) for target in targets], dtype=torch.int64)

    def check(self, targets: Tensor) -> list[tuple[int, str]]:
        """Find class indices that no class has, and labels that are no integers."""
        num_classes = self.info.num_classes
        if targets.is_floating_point():
            return [(i, f"label {target:g} is no integer") for i, target in enumerate(targets.tolist())]
        positions = ((targets < 0) | (targets >= num_classes)).nonzero().flatten().tolist()
        return [
            (i, f"label {int(targets[i])} is not one of the {num_classes} classes (0..{num_classes - 1})")
            for i in positions
        ]

    def check_outputs(self, outputs: Any) -> str:
        """Outputs are logits `[B, K]`."""
        return wrong_shape(outputs, 2, self.info.num_classes)

    def predictions(self, outputs: Tensor) -> Tensor:
        """Probabilities of the classes, float32 `[B, K]`."""
        return outputs.float().softmax(dim=1)

    def records(self, predictions: Tensor) -> list[dict[str, Any]]:
        """The likeliest class of each image, and the probabilities of all."""
        return [self._record(probabilities) for probabilities in predictions.tolist()]

    def _record(self, probabilities: list[float]) -> dict[str, Any]:
        index = max(range(len(probabilities)), key=probabilities.__getitem__)
        return {
            "label": self.info.classes[index],
            "index": index,
            "probability": probabilities[index],
            "probabilities": dict(zip(self.info.classes, probabilities, strict=True)),
        }
