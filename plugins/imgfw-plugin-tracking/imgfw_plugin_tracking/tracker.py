"""What all trackers have in common: when to say what, and never to lose a run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from imgfw import Callback, PluginError

if TYPE_CHECKING:
    from imgfw import Run

_LOG = logging.getLogger("imgfw.tracking")


class Tracker(Callback):
    """Base of the trackers: it hears the events, a derived class talks to its library.

    A library that cannot be used is an error when a run starts, since nobody would notice for hours that it
    isn't followed. Later, and when a run is resumed, it is a warning, said once, and the run goes on
    without: whatever is sent to a tracker is in the run's own files too.
    """

    title: ClassVar[str]
    """What people call the library."""

    library: ClassVar[str]
    """What is imported."""

    extra: ClassVar[str]
    """The extra of this distribution that brings the library."""

    def __init__(self) -> None:
        if find_spec(self.library) is None:
            raise PluginError(
                f"The callback {self.extra} needs {self.title}, which is not installed.",
                f"Run: pip install 'imgfw-plugin-tracking[{self.extra}]'",
            )
        self.run_id: str | None = None
        self.resumed = False
        self._working = False
        self._written: dict[str, int] = {}

    def start(self, run: Run) -> None:
        """Begin, or go on with the run that `run_id` names; set `run_id`."""
        raise NotImplementedError

    def write(self, figures: Mapping[str, float], step: int) -> None:
        """Add a point to each curve."""
        raise NotImplementedError

    def conclude(self, run: Run, results: Mapping[str, float]) -> None:
        """Note the results of a whole run."""
        raise NotImplementedError

    def finish(self, status: str) -> None:
        """Say how the session ended, and let go of everything."""
        raise NotImplementedError

    def on_run_start(self, run: Run) -> None:
        """Begin, in the process that writes."""
        if not run.is_main:
            return
        self._working = True
        if self.resumed:
            self._attempt(lambda: self.start(run))
            return
        try:
            self.start(run)
        except Exception as error:  # whatever the library raises
            self._working = False
            hint = f"Mend that, or leave the callback {self.extra} out."
            raise PluginError(f"{self.title} cannot follow this run: {_explain(error)}.", hint) from error

    def on_log(self, run: Run) -> None:
        """Pass on what was recorded; the last step of an epoch may have been just before."""
        fresh = {name: value for name, value in run.logged.items() if self._written.get(name) != run.step}
        self._written |= dict.fromkeys(fresh, run.step)
        self._attempt(lambda: self.write(fresh, run.step))

    def on_run_end(self, run: Run) -> None:
        """Pass on the best and the final test."""
        self._attempt(lambda: self.conclude(run, results_of(run)))

    def on_session_end(self, run: Run) -> None:
        """Close."""
        self._attempt(lambda: self.finish(run.status))

    def _attempt(self, work: Callable[[], None]) -> None:
        """Do something that may fail; after a failure, nothing more."""
        if not self._working:
            return
        try:
            work()
        except Exception as error:  # whatever the library raises
            self._working = False
            _LOG.warning(
                "warning: %s failed, and the run goes on without it: %s. "
                "The run's own metrics.csv and events.jsonl hold everything.",
                self.title,
                _explain(error),
            )

    def state_dict(self) -> dict[str, Any]:
        """Which run of the tracker a resumed run goes on with."""
        return {"run_id": self.run_id}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the same run of the tracker."""
        self.run_id = state["run_id"]
        self.resumed = True


def results_of(run: Run) -> dict[str, float]:
    """The best epoch and what was measured then, as `best/val/accuracy`, and the final test."""
    results = {name: value for name, value in run.metrics.items() if name.startswith("test/")}
    if run.best is not None:
        results |= {"best/epoch": run.best.epoch}
        results |= {f"best/{name}": value for name, value in run.best.metrics.items()}
    return results


def _explain(error: Exception) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__}: {text}"
