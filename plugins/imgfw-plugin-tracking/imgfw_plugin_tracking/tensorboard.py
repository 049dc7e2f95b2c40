"""Following a run in TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from imgfw import Ge

from imgfw_plugin_tracking.hyperparameters import flatten
from imgfw_plugin_tracking.tracker import Tracker

if TYPE_CHECKING:
    from imgfw import Run
    from torch import Tensor


class Tensorboard(Tracker):
    """Writes curves, hyper-parameters and images for TensorBoard.

    Curves: the training loss and the learning rate every `train.log_every` steps, everything measured after
    each epoch. The recipe is there as text, and with the results as hyper-parameters.

    Args:
        log_dir: a folder in which each run gets one of its own; null: `tensorboard` in the run's folder.
        images: how many of the first validation images to show after each epoch, with what was predicted.
    """

    title, library, extra = "TensorBoard", "tensorboard", "tensorboard"

    def __init__(self, *, log_dir: Path | None = None, images: Annotated[int, Ge(0)] = 0) -> None:
        super().__init__()
        self._log_dir = log_dir
        self._images = images
        self._shown = 0
        self._writer: Any = None

    def start(self, run: Run) -> None:
        """Open a file; what a resumed run will write again is taken out of the curves."""
        from torch.utils.tensorboard import SummaryWriter

        folder = run.folder / "tensorboard" if self._log_dir is None else self._log_dir / run.folder.name
        self._writer = SummaryWriter(str(folder), purge_step=run.step + 1 if self.resumed else None)
        if not self.resumed:
            self._writer.add_text("run", f"Folder: `{run.folder}`")
            self._writer.add_text("recipe", f"```json\n{json.dumps(run.recipe, indent=2)}\n```")

    def write(self, figures: Mapping[str, float], step: int) -> None:
        """Add a point to each curve, and have it on the disk."""
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def on_eval_batch(self, run: Run) -> None:
        """Show images, until there are enough of them."""
        if self._shown < self._images:
            self._attempt(lambda: self._show(run))

    def on_eval_end(self, run: Run) -> None:
        """The next evaluation shows the same images again."""
        self._shown = 0

    def _show(self, run: Run) -> None:
        batch = run.eval_batch
        assert batch is not None
        records = run.task.records(batch.predictions)
        for image, record in zip(batch.images, records, strict=True):
            if self._shown == self._images:
                return
            name = f"{batch.split}/image_{self._shown}"
            self._writer.add_image(name, _visible(image), run.step)
            self._writer.add_text(name, json.dumps(_plain(record)), run.step)
            self._shown += 1

    def conclude(self, run: Run, results: Mapping[str, float]) -> None:
        """Note the hyper-parameters with the results, for TensorBoard's table of runs."""
        self._writer.add_hparams(flatten(run.recipe), dict(results), run_name=".", global_step=run.step)

    def finish(self, status: str) -> None:
        """Close the file."""
        self._writer.add_text("status", status)
        self._writer.close()


def _visible(image: Tensor) -> Tensor:
    """A normalised image `[C, H, W]` with its values stretched over 0..1, grey or in colours."""
    image = image.detach().float().cpu()
    image = image[:3] if len(image) >= 3 else image[:1]
    low, high = image.min(), image.max()
    return (image - low) / (high - low).clamp(min=1e-12)


def _plain(record: Mapping[str, Any]) -> dict[str, Any]:
    """What of a prediction can be read in a line."""
    return {key: value for key, value in record.items() if isinstance(value, str | int | float)}
