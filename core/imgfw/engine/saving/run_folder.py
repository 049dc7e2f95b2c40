"""A run's folder: nothing in it is ever half written, or overwritten by another run."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from imgfw.contract.errors import DataError, UsageError
from imgfw.engine.saving.checkpoint_folder import clean_up
from imgfw.engine.saving.files import append_whole, write_atomically, write_json, writing

FORMAT = 1


class RunFolder:
    """The files of one run.

    Args:
        path: the folder.
        writes: whether this process writes; the others' calls do nothing.
    """

    def __init__(self, path: Path, writes: bool = True) -> None:
        self.path = path
        self._writes = writes

    @classmethod
    def create(cls, parent: Path, name: str) -> RunFolder:
        """Make a new folder: `name`, or `name-2`, `name-3`, … where that is taken.

        Raises:
            UsageError: it cannot be made.
        """
        number = 1
        while True:
            path = parent / (name if number == 1 else f"{name}-{number}")
            try:
                path.mkdir(parents=True)
                return cls(path)
            except FileExistsError:
                number += 1
            except OSError as error:
                raise UsageError(
                    f"The run folder {path} cannot be made: {error}.", "Change output_dir."
                ) from None

    @classmethod
    def open(cls, path: Path | str, writes: bool = True) -> RunFolder:
        """Open the folder of an earlier run.

        Raises:
            UsageError: there is no run in it.
        """
        path = Path(path)
        if not (path / "recipe.resolved.json").is_file():
            owner = path.resolve().parent.parent
            if (owner / "recipe.resolved.json").is_file():
                raise UsageError(f"{path} is only a part of the run {owner}.", "Name the run itself.")
            raise UsageError(f"{path} is not the folder of a run.", "Name the folder that imgfw run printed.")
        return cls(path, writes)

    def remove(self) -> None:
        """Remove the folder and all that is in it, as far as that can be done."""
        if self._writes:
            shutil.rmtree(self.path, ignore_errors=True)

    @property
    def quarantine(self) -> Path:
        """The list of the samples that were left out."""
        return self.path / "quarantine.csv"

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints are."""
        return self.path / "checkpoints"

    def clean_up(self) -> None:
        """Remove what a killed process left half done; bring back a checkpoint that it was replacing."""
        if self._writes:
            with writing(self.checkpoints):
                clean_up(self.checkpoints)

    def write_json(self, name: str, data: Any) -> None:
        """Write one of the folder's JSON documents."""
        if self._writes:
            with writing(self.path / name):
                write_json(self.path / name, _json_ready(data))

    def read_json(self, name: str) -> Any:
        """Read one of the folder's JSON documents.

        Raises:
            DataError: it is not there, or not as it was written.
        """
        path = self.path / name
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise DataError(f"{path} cannot be read: {error}.", "Put it back from a copy.") from error
        if not isinstance(document, dict):
            raise DataError(f"{path} is not as it was written.", "Put it back from a copy.")
        return document

    def write_metrics(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write metrics.csv: a row an epoch, a column for everything that any epoch measured."""
        if not self._writes:
            return
        text = io.StringIO()
        columns = list(dict.fromkeys(key for row in rows for key in row))
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        with writing(self.path / "metrics.csv"):
            write_atomically(self.path / "metrics.csv", text.getvalue())

    def event(self, event: str, **data: Any) -> None:
        """Append a line to events.jsonl, with the time."""
        if self._writes:
            entry = {"time": round(time.time(), 3), "event": event, **_json_ready(data)}
            line = json.dumps(entry, allow_nan=False, default=str)
            path = self.path / "events.jsonl"
            with writing(path):
                append_whole(path, line + "\n")


def _json_ready(data: Any) -> Any:
    """The data with null for each number that is not finite: JSON has none."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {key: _json_ready(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_json_ready(value) for value in data]
    return data
