"""Following a run in Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from imgfw_plugin_tracking.tracker import Tracker

if TYPE_CHECKING:
    from imgfw import Run


class Wandb(Tracker):
    """Sends curves, configuration and results to Weights & Biases, or keeps them to be sent later.

    History: the training loss and the learning rate every `train.log_every` steps, everything measured
    after each epoch. Configuration: the resolved recipe and the run's folder. Summary: the best epoch, the
    final test, and imgfw's word for how the run ended.

    Args:
        project: the project's name.
        entity: the user or team that the project belongs to; null: your own.
        mode: `offline` writes into the run's folder only, and `wandb sync` sends it later; `online` sends it
            at once, and needs `wandb login`; `disabled` does nothing.
        group: the name that runs which belong together share.
        tags: words to find the run by.
    """

    title, library, extra = "Weights & Biases", "wandb", "wandb"

    def __init__(
        self,
        *,
        project: str = "imgfw",
        entity: str | None = None,
        mode: Literal["offline", "online", "disabled"] = "offline",
        group: str | None = None,
        tags: list[str] | None = None,
    ) -> None:
        super().__init__()
        self._project = project
        self._entity = entity
        self._mode = mode
        self._group = group
        self._tags = tags
        self._run: Any = None

    def start(self, run: Run) -> None:
        """Start a run, or go on with the one that was started before, which `wandb sync` puts together."""
        import wandb

        self._run = wandb.init(
            project=self._project,
            entity=self._entity,
            mode=self._mode,
            group=self._group,
            tags=self._tags,
            name=run.folder.name,
            id=self.run_id,
            resume="allow" if self._mode == "online" else None,
            reinit="create_new",
            dir=str(run.folder.absolute()),
            config={**run.recipe, "run_folder": str(run.folder.absolute())},
            settings=wandb.Settings(console="off", silent=True),
        )
        self.run_id = self._run.id

    def write(self, figures: Mapping[str, float], step: int) -> None:
        """Add a row to the history; figures of one step share one."""
        self._run.log(dict(figures), step=step)

    def conclude(self, run: Run, results: Mapping[str, float]) -> None:
        """Note the results in the summary."""
        self._run.summary.update(dict(results))

    def finish(self, status: str) -> None:
        """Say how it ended, and wait until everything is written."""
        self._run.summary.update({"imgfw_status": status})
        self._run.finish(exit_code=0 if status in ("completed", "stopped") else 1)
