"""Multi-label classification: any number of classes an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from imgfw import Task

from imgfw_plugins.tasks.logits import wrong_shape

if TYPE_CHECKING:
    from torch import Tensor
    from torchmetrics import Metric


class Multilabel(Task):
    """Any number of classes an image.

    A dataset's target is a multi-hot row: for each class 1 where the image shows it, else 0. The model
    returns logits `[B, K]`.

    - targets: float32 `[B, K]`.
    - predictions: float32 `[B, K]`, a sigmoid probability for each class.
    - records: `labels`, the names of the classes of probability 0.5 and more, and `probabilities` of all by
      name.
    """

    of_whole_images: ClassVar[bool] = True
    default_loss: ClassVar[str] = "binary_cross_entropy"
    default_metrics: ClassVar[tuple[str, ...]] = ("multilabel_f1",)

    def collate(self, targets: Sequence[Any]) -> Tensor:
        """Multi-hot rows as float32 `[B, K]`."""
        import torch

        return torch.stack([torch.as_tensor(target, dtype=torch.float32) for target in targets])

    def check(self, targets: Tensor) -> list[tuple[int, str]]:
        """Find rows of the wrong length, and values other than 0 and 1."""
        length, num_classes = targets.shape[1], self.info.num_classes
        if length != num_classes:
            reason = f"its multi-hot row has {length} values, but there are {num_classes} classes"
            return [(i, reason) for i in range(len(targets))]
        wrong = (targets != 0) & (targets != 1)
        return [
            (i, self._problem(targets[i], wrong[i])) for i in wrong.any(dim=1).nonzero().flatten().tolist()
        ]

    def _problem(self, row: Tensor, wrong: Tensor) -> str:
        place = int(wrong.nonzero()[0])
        name, value = self.info.classes[place], row[place].item()
        return f"its multi-hot row holds {value:g} for the class {name!r}; only 0 and 1 have a meaning"

    def check_outputs(self, outputs: Any) -> str:
        """Outputs are logits `[B, K]`."""
        return wrong_shape(outputs, 2, self.info.num_classes)

    def predictions(self, outputs: Tensor) -> Tensor:
        """The probability of each class on its own, float32 `[B, K]`."""
        return outputs.float().sigmoid()

    def update_metric(self, metric: Metric, predictions: Tensor, targets: Tensor) -> None:
        """Feed a metric one batch; torchmetrics wants the rows as integers."""
        metric.update(predictions, targets.long())

    def records(self, predictions: Tensor) -> list[dict[str, Any]]:
        """The classes of each image, and the probabilities of all."""
        return [
            {
                "labels": [name for name, p in zip(self.info.classes, row, strict=True) if p >= 0.5],
                "probabilities": dict(zip(self.info.classes, row, strict=True)),
            }
            for row in predictions.tolist()
        ]
