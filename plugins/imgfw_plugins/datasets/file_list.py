"""Many paths in little memory."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import overload


class FileList(Sequence[Path]):
    """Paths as one stretch of bytes; a `Path` is made when it is asked for.

    Worker processes that were forked share these bytes. Of a list of a million `Path` objects each would soon
    have its own copy: looking at an object counts a reference to it, which writes to its page of memory.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        encoded = [os.fsencode(path) for path in paths]
        self._bytes = b"".join(encoded)
        self._ends = array("Q", accumulate(map(len, encoded)))

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> list[Path]: ...
    def __getitem__(self, index: int | slice) -> Path | list[Path]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        start = self._ends[number - 1] if number else 0
        return Path(os.fsdecode(self._bytes[start : self._ends[number]]))
