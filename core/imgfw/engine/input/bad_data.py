"""Samples that cannot be used: the run stops, or leaves them out, lists them, and keeps to a budget."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from imgfw.contract.errors import DataError
from imgfw.engine.input.splits import BadSample
from imgfw.engine.saving.checkpoint_folder import ordered
from imgfw.engine.saving.files import append_whole, writing

_HEADER = ["split", "index", "source", "reason"]
_NAMED = 10
"""Samples that a message names; it counts the others."""


class Quarantine:
    """quarantine.csv: the samples that a run left out, each once however often the run is resumed.

    Samples are told apart by their sources: their indices change where files come or go.

    All processes of a run share the file: each adds the samples that it meets, and reads those
    of the others.

    Args:
        path: the file, which need not exist; None: samples are remembered only.
        say: called with a sentence for each sample that is new.
        writes: whether samples are added to the file, and not to the memory only.
    """

    def __init__(
        self, path: Path | None = None, say: Callable[[str], None] = lambda text: None, writes: bool = True
    ) -> None:
        self.path = path
        self._say = say
        self._writes = writes
        self._read_up_to = 0
        self._samples: dict[tuple[str, str], BadSample] = {}
        self._read()

    def of_split(self, split: str) -> list[BadSample]:
        """The samples of a split, in the order in which they were met."""
        return [sample for sample in self._samples.values() if sample.split == split]

    def add(self, bad: Sequence[BadSample]) -> None:
        """Add the samples that are new."""
        self._read()
        new = {(sample.split, _as_utf8(sample.source)): sample for sample in bad}
        new = {key: sample for key, sample in new.items() if key not in self._samples}
        self._samples |= new
        if new and self._writes and self.path is not None:
            self._write(self.path, list(new.values()))
        for sample in new.values():
            self._say(f"left out: {sample.source}: {sample.reason}")

    def advice(self) -> str:
        """What can be done where a run met more bad samples than it may: it may have begun just now."""
        if self.path is None or not self._writes:
            return f"Mend them{f' and delete {self.path.name}' if self.path else ''}."
        run = self.path.parent
        if not ordered(run / "checkpoints"):
            return (
                'Mend them, or raise "max_bad_fraction", and start a new run: of this one nothing was saved.'
            )
        return (
            f"Mend them and delete {self.path.name}, or raise max_bad_fraction, and go on: "
            f"imgfw run --resume {run}, with --set max_bad_fraction=… to raise it."
        )

    def _read(self) -> None:
        """Read what was added since the last time."""
        if self.path is None or not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._read_up_to)
            added = file.read()
        self._read_up_to += len(added)
        try:
            for split, index, source, reason in csv.reader(io.StringIO(added.decode(), newline="")):
                if split != _HEADER[0]:
                    self._samples.setdefault((split, source), BadSample(split, int(index), source, reason))
        except ValueError as error:  # a person's edit; imgfw writes whole lines
            raise DataError(
                f"{self.path} is not as it was written: {error}.",
                "Delete it: what cannot be used is listed again when it is met.",
            ) from None

    def _write(self, path: Path, samples: list[BadSample]) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if not self._read_up_to:
            writer.writerow(_HEADER)
        for sample in samples:
            writer.writerow([sample.split, sample.index, sample.source, sample.reason])
        with writing(path):
            append_whole(path, text.getvalue())


def _as_utf8(text: str) -> str:
    """A text as the file holds it: with an escape for each byte of a file's name that is no UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


class BadDataPolicy:
    """What is done with samples that cannot be used.

    Args:
        skip: leave them out and list them, instead of stopping.
        max_fraction: share of a split's samples that may be left out; one always may.
        sizes: how many samples each split has.
        quarantine: the list.
    """

    def __init__(
        self, skip: bool, max_fraction: float, sizes: Mapping[str, int], quarantine: Quarantine
    ) -> None:
        self._skip = skip
        self._max_fraction = max_fraction
        self._sizes = sizes
        self._quarantine = quarantine

    def handle(self, bad: Sequence[BadSample]) -> None:
        """Act on some samples.

        Raises:
            DataError: naming the first of them, unless they are to be left out; or too many were left out.
        """
        if not bad:
            return
        if not self._skip:
            raise DataError(
                _sentence(bad),
                'Mend it, or set "bad_data": "skip" in the recipe to leave such samples out.'
                if len(bad) == 1
                else 'Mend them, or set "bad_data": "skip" in the recipe to leave such samples out.',
            )
        self._quarantine.add(bad)
        for split in dict.fromkeys(sample.split for sample in bad):
            self._keep_to_budget(split)

    def _keep_to_budget(self, split: str) -> None:
        left_out, size = self._quarantine.of_split(split), self._sizes[split]
        allowed = max(int(self._max_fraction * size), 1)
        if len(left_out) <= allowed:
            return
        path = self._quarantine.path
        raise DataError(
            f"{len(left_out)} of the {size:,} samples of the {split} split cannot be used; "
            f'"max_bad_fraction": {self._max_fraction:g} allows {allowed}. '
            f"{f'{path} lists them; the' if path else 'The'} first: {_listed(left_out, 3)}.",
            self._quarantine.advice(),
        )


def _sentence(bad: Sequence[BadSample]) -> str:
    if len(bad) == 1:
        return f"{bad[0].source}: {bad[0].reason} ({bad[0].split} split)."
    return f"{len(bad)} samples of the {bad[0].split} split cannot be used: {_listed(bad, _NAMED)}."


def _listed(bad: Sequence[BadSample], count: int) -> str:
    named = [f"{sample.source}: {sample.reason}" for sample in bad[:count]]
    return "; ".join([*named, f"and {len(bad) - count} more"] if len(bad) > count else named)
