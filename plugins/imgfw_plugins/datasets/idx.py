"""Reading idx files, the format of MNIST, gzipped or not."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from imgfw import DataError

if TYPE_CHECKING:
    import numpy as np

_BYTES = 8
"""The format's number for unsigned bytes, the only ones read here."""

_MOST_BYTES = 1 << 30
"""A header that promises more than this is damaged."""


def read_idx(path: Path, ndim: int) -> np.ndarray:
    """Read an idx file of unsigned bytes.

    The format: two zero bytes, the type, the number of dimensions, each dimension as a big-endian 32-bit
    number, then the values, the last dimension running fastest.

    Args:
        path: the file; one that starts as a gzip file is unpacked while it is read.
        ndim: the number of dimensions that it should have.

    Returns:
        a writable uint8 array.

    Raises:
        DataError: the file cannot be read, its header is no such header, or its length contradicts it.
    """
    import numpy as np

    try:
        with _open(path) as file:
            shape = _shape(file.read(4 + 4 * ndim), path, ndim)
            expected = int(np.prod(shape, dtype=object))
            if expected > _MOST_BYTES:
                raise DataError(f"{path}: its header promises {expected:,} bytes: the file is damaged.")
            content = file.read(expected + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}).", "Fetch the file anew.") from error
    if len(content) != expected:
        found = "more" if len(content) > expected else f"{len(content):,}"
        raise DataError(
            f"{path}: its header promises {expected:,} bytes, it holds {found}.", "Fetch the file anew."
        )
    return np.frombuffer(bytearray(content), np.uint8).reshape(shape)


def _open(path: Path):
    """Open a file for reading its unpacked bytes."""
    with path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if is_packed else path.open("rb")


def _shape(header: bytes, path: Path, ndim: int) -> tuple[int, ...]:
    """The dimensions that a header states."""
    if len(header) != 4 + 4 * ndim or header[:4] != bytes([0, 0, _BYTES, ndim]):
        raise DataError(
            f"{path} is no idx file of bytes in {ndim} dimensions:"
            f" it starts with {header[:4].hex(' ') or 'nothing'}."
        )
    return struct.unpack(f">{ndim}I", header[4:])
