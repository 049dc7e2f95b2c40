"""What a task is: the meaning of targets and of a model's outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from imgfw.contract.component import Component

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchmetrics import Metric

    from imgfw.contract.dataset import DatasetInfo


class Task(Component, kind="tasks"):
    """Base of all tasks. The training loop knows none of them: it asks these methods.

    Args:
        info: what is known of the data.
    """

    default_loss: ClassVar[str] = ""
    """The loss of a recipe that names none; empty: the recipe must name one."""

    default_metrics: ClassVar[tuple[str, ...]] = ()
    """The metrics of a recipe that names none. The first result of the first is what `best` goes by."""

    of_whole_images: ClassVar[bool] = False
    """Whether a target speaks of an image as a whole and of no place in it. Images may then be decoded at a
    smaller scale, where their transforms need no more."""

    def __init__(self, info: DatasetInfo) -> None:
        self.info = info

    def collate(self, targets: Sequence[Any]) -> Any:
        """Put the targets of a batch together: what the criterion and the metrics get."""
        raise NotImplementedError

    def check(self, targets: Any) -> list[tuple[int, str]]:
        """Find the targets of a collated batch that cannot be right: `(position in the batch, reason)`."""
        raise NotImplementedError

    def check_outputs(self, outputs: Any) -> str:
        """Say what is wrong with a model's outputs in evaluation mode for one image, before training begins.

        Returns:
            for example `it returns [1, 5], but there are 10 classes`; empty: nothing is wrong.
        """
        return ""

    def predictions(self, outputs: Any) -> Any:
        """Turn a model's outputs in evaluation mode into predictions: what metrics and `records` get."""
        raise NotImplementedError

    def update_metric(self, metric: Metric, predictions: Any, targets: Any) -> None:
        """Feed a metric one batch."""
        metric.update(predictions, targets)

    def records(self, predictions: Any) -> list[dict[str, Any]]:
        """Describe the predictions of a batch, one JSON-serialisable dict an image (tensors allowed as values
        under keys that end in `_tensor`; the command line writes those to files)."""
        raise NotImplementedError
