"""JPEG files: what the header says of a plain one, and its pixels from the fastest decoder that makes the
same ones as Pillow.

simplejpeg (`pip install "imgfw[fast]"`) holds libjpeg-turbo, as Pillow does, and hands over its pixels
without a copy. It decodes what is plain: baseline and progressive, grey and colour. A file that it finds any
fault with is left to Pillow, which alone tells good files from bad ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels of the whole image."""

START = b"\xff\xd8\xff"
"""How a JPEG begins."""

_END = b"\xff\xd9"
_ADOBE = b"\xff\xee\x00\x0eAdobe"
_ADOBE_TRANSFORM = 15
"""Where Adobe's segment says whether the pixels are YCbCr; 0 is no."""

_COMPONENT = 3
"""Bytes that a frame has for each of its components; the first is its name."""

_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7]")
"""What is neither a byte 255 of coded pixels nor the mark of a place to restart from."""

_START_OF_SCAN = 0xDA
_FRAMES = {0xC0: False, 0xC1: False, 0xC2: True}
"""The markers of frames that are decoded here, with Huffman codes; whether each is progressive."""

_PASSED = frozenset((0xC4, 0xDB, 0xDD, *range(0xE0, 0xF0), 0xFE))
"""Huffman codes, quantisation, the restart interval, what applications add, and comments."""

_EXIF_OR_XMP, _SEVERAL_IMAGES = 0xE1, (0xE2, b"MPF\0")
_COLOURSPACES = {1: "gray", 3: "rgb"}
_TURNS: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels),
}
"""What each EXIF orientation asks for."""

_LARGEST_BLOCK = 32
"""No unit of coded pixels is higher: four blocks of eight rows."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of a plain JPEG says.

    Attributes:
        height, width: in pixels, before any orientation is applied.
        channels: 1 or 3.
        has_metadata: whether there is a segment that may hold an orientation.
        in_one_scan: whether all of a row is in one place of the file.
        height_at: where in the file the height stands.
        scan_at: where the coded pixels begin.
    """

    height: int
    width: int
    channels: int
    has_metadata: bool
    in_one_scan: bool
    height_at: int
    scan_at: int


def read_header(content: bytes) -> Header | None:
    """Read the header of a JPEG; None where anything is unusual in it, or wrong."""
    if not content.startswith(START):
        return None
    at, has_metadata, frame = 2, False, 0
    while at + 10 <= len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], content[at + 2] << 8 | content[at + 3]
        if marker == _START_OF_SCAN:
            return _header(content, frame, at, has_metadata) if frame else None
        if marker in _FRAMES and not frame:
            frame = at
        elif marker == _EXIF_OR_XMP:
            has_metadata = True
        elif marker not in _PASSED or (marker, content[at + 4 : at + 8]) == _SEVERAL_IMAGES:
            return None
        at += 2 + length
    return None


def _header(content: bytes, frame: int, scan: int, has_metadata: bool) -> Header | None:
    """A header from its frame and the beginning of its first scan."""
    bits, channels = content[frame + 4], content[frame + 9]
    height = int.from_bytes(content[frame + 5 : frame + 7], "big")
    width = int.from_bytes(content[frame + 7 : frame + 9], "big")
    if bits != 8 or channels not in _COLOURSPACES or not height or not width:
        return None
    in_one_scan = not _FRAMES[content[frame + 1]] and content[scan + 4] == channels
    begin = scan + 2 + int.from_bytes(content[scan + 2 : scan + 4], "big")
    return Header(height, width, channels, has_metadata, in_one_scan, frame + 5, begin)


def is_for_any_decoder(content: bytes, header: Header) -> bool:
    """Whether a file is whole, as far as its end tells, and has the YCbCr pixels that all decoders expect."""
    adobe = content.find(_ADOBE, 0, header.scan_at)
    is_plain = adobe < 0 or content[adobe + _ADOBE_TRANSFORM] != 0
    first = header.height_at + 5
    names = content[first : first + _COMPONENT * header.channels : _COMPONENT]
    return header.channels == 3 and is_plain and names != b"RGB" and content.endswith(_END)


def shortened(content: bytes, header: Header, rows: int) -> bytes | None:
    """The same file with as many of its first rows as are needed, which keep every bit; None where they
    cannot be had alone.

    The rows below are not decoded then. That a file is whole is seen by its first marker among the coded
    pixels: it is the one at the end of the file.
    """
    kept = (rows // _LARGEST_BLOCK + 2) * _LARGEST_BLOCK  # rows at an edge would be smoothed otherwise
    if kept >= header.height or not header.in_one_scan or not content.endswith(_END):
        return None
    marker = _MARKER.search(content, header.scan_at)
    if marker is None or marker.start() != len(content) - len(_END):
        return None
    at = header.height_at
    return b"".join((content[:at], kept.to_bytes(2, "big"), content[at + 2 :]))


@cache
def fast_decoder() -> Any:
    """simplejpeg's function that decodes; None where it is not installed."""
    try:
        from simplejpeg import decode_jpeg
    except ImportError:
        return None
    return decode_jpeg


def decode(
    content: bytes, header: Header, channels: int, reduction: int = 1, rows: int | None = None
) -> NDArray[np.uint8] | None:
    """Decode a plain JPEG with the bits that Pillow's decoder makes; None where that takes Pillow.

    Args:
        content: the file.
        header: its header.
        channels: 1 for grey, which colour is not made here, or 3.
        reduction: how many times smaller it comes: 1, 2, 4 or 8.
        rows: how many of the first rows are needed, of an image that is not reduced; all unless given.

    Returns:
        `[H, W, channels]`; where only some rows are needed, maybe no others.
    """
    decoder = fast_decoder()
    if decoder is None or channels < header.channels:
        return None
    part = shortened(content, header, rows) if rows is not None else None
    height, width = -(-header.height // reduction), -(-header.width // reduction)
    try:
        # A file that was shortened goes on after its last row, which is what there is a warning of.
        pixels: NDArray[np.uint8] = decoder(
            content if part is None else part,
            _COLOURSPACES[channels],
            min_height=height if reduction > 1 else 0,
            min_width=width if reduction > 1 else 0,
            strict=part is None,
        )
    except ValueError:
        return None
    if part is not None:
        return pixels[:rows]  # those at the lower edge were smoothed without what is below
    return pixels if pixels.shape[:2] == (height, width) else None


def turned(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Apply an EXIF orientation to pixels `[H, W, C]`; those that do not exist change nothing."""
    turn = _TURNS.get(orientation)
    return pixels if turn is None else np.ascontiguousarray(turn(pixels))
