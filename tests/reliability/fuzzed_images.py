"""Damaged image files: each is read as what it should be, or refused with its name."""

from __future__ import annotations

import random
import struct
import tempfile
import time
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from imgfw import BadSampleError, read_image, read_mask
from PIL import Image

from .trials import Trial

MAX_PIXELS = 4_000_000
"""The pixel limit under which the files are read, so that a header of a huge size shows."""

MAX_SECONDS = 2.0
"""Of processor time that a file may take."""

_SAVED_AS = {
    "JPEG": ({"quality": 90}, {"progressive": True}, {"quality": 30, "subsampling": 2}),
    "PNG": ({}, {"optimize": True}),
    "BMP": ({},),
    "GIF": ({}, {"interlace": 0}),
    "WEBP": ({}, {"lossless": True}),
    "TIFF": ({}, {"compression": "tiff_lzw"}, {"compression": "jpeg"}, {"compression": "tiff_adobe_deflate"}),
    "PPM": ({},),
}
_MODES = {
    "JPEG": ("RGB", "L", "CMYK"),
    "PNG": ("RGB", "RGBA", "L", "LA", "P", "1", "I;16"),
    "BMP": ("RGB", "L", "P", "1"),
    "GIF": ("P", "L"),
    "WEBP": ("RGB", "RGBA"),
    "TIFF": ("RGB", "L"),
    "PPM": ("RGB", "L", "1"),
}


def fuzz_images(count: int, seed: int) -> list[Trial]:
    """Damage images of every format in every way, and read each as an image and as a mask."""
    draw, trials = random.Random(seed), []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            format, fault = draw.choice(sorted(_SAVED_AS)), draw.choice(sorted(_DAMAGES))
            path = Path(folder, f"{number}.img")
            path.write_bytes(_damaged(draw, format, fault))
            for kind, read in (("image", _read_image), ("mask", _read_mask)):
                figure, problem = _judge(read, path)
                place = f"file {number} of seed {seed} {problem}" if problem else ""
                trials.append(Trial(fault, f"reading the {kind}", format, place, figure))
            path.unlink()
    return trials


def _judge(read: Callable[[Path], str], path: Path) -> tuple[str, str]:
    """Whether a file was read or refused, and what is not as it should be."""
    began = time.process_time()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            figure, problem = "read", read(path)
        except BadSampleError as error:
            figure, problem = "refused", ""
            if error.source != str(path) or not error.reason or "\n" in error.reason:
                problem = f"is refused with {error.source!r}: {error.reason!r}"
        except BaseException as error:
            figure, problem = "failed", f"raises {type(error).__name__}: {error}"
    seconds = time.process_time() - began
    if seconds > MAX_SECONDS:
        problem = f"takes {seconds:.1f} seconds"
    if warned:
        problem = f"warns: {warned[0].message}"
    return figure, problem


def _read_image(path: Path) -> str:
    image = read_image(path, 3, MAX_PIXELS)
    right = image.dtype == torch.uint8 and image.ndim == 3 and image.shape[0] == 3
    return "" if right and 0 < image[0].numel() <= MAX_PIXELS else f"is {image.dtype} {tuple(image.shape)}"


def _read_mask(path: Path) -> str:
    mask = read_mask(path, MAX_PIXELS)
    right = mask.dtype == torch.uint8 and mask.ndim == 2
    return "" if right and 0 < mask.numel() <= MAX_PIXELS else f"is {mask.dtype} {tuple(mask.shape)}"


def _damaged(draw: random.Random, format: str, fault: str) -> bytes:
    """An image file with one to three damages of a kind."""
    content = bytearray(_encoded(draw, format, draw.choice(_MODES[format])))
    for _ in range(draw.choice((1, 1, 2, 3))):
        if content:
            _DAMAGES[fault](draw, content)
    return bytes(content)


def _encoded(draw: random.Random, format: str, mode: str) -> bytes:
    side = (draw.randint(1, 60), draw.randint(1, 60))
    pixels = np.random.default_rng(draw.getrandbits(32)).integers(0, 256, (*side, 3), np.uint8)
    if draw.random() < 0.5:
        pixels[:] = pixels[0, 0]  # long runs, which the encoders write otherwise than noise
    image = Image.fromarray(pixels)
    image = image.convert("L").convert("I;16") if mode == "I;16" else image.convert(mode)
    file = BytesIO()
    image.save(file, format, **draw.choice(_SAVED_AS[format]))
    return file.getvalue()


def _flip_bits(draw: random.Random, content: bytearray) -> None:
    for _ in range(draw.choice((1, 4, 32))):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)


def _truncate(draw: random.Random, content: bytearray) -> None:
    del content[draw.randrange(len(content)) :]


def _edit_header(draw: random.Random, content: bytearray) -> None:
    """Write a large, negative or empty number over some of the first bytes, where sizes and lengths stand."""
    number = draw.choice((0, 1, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF))
    order = draw.choice("<>")
    written = struct.pack(f"{order}I", number)[: draw.choice((2, 4))]
    start = draw.randrange(min(len(content), 120))
    content[start : start + len(written)] = written


def _zero_range(draw: random.Random, content: bytearray) -> None:
    start = draw.randrange(len(content))
    end = min(start + draw.choice((1, 16, 512)), len(content))
    content[start:end] = bytes(end - start)


def _swap_chunks(draw: random.Random, content: bytearray) -> None:
    length = draw.choice((2, 16, 128))
    one, two = (draw.randrange(max(len(content) - length, 1)) for _ in range(2))
    content[one : one + length], content[two : two + length] = (
        content[two : two + length],
        content[one : one + length],
    )


def _insert(draw: random.Random, content: bytearray) -> None:
    start = draw.randrange(len(content))
    content[start:start] = draw.randbytes(draw.choice((1, 7, 200)))


def _repeat(draw: random.Random, content: bytearray) -> None:
    start = draw.randrange(len(content))
    content[start:start] = content[start : start + 300] * draw.choice((1, 5))


_DAMAGES: dict[str, Callable[[random.Random, bytearray], None]] = {
    "flipped bits": _flip_bits,
    "truncated": _truncate,
    "edited header": _edit_header,
    "zeroed range": _zero_range,
    "swapped chunks": _swap_chunks,
    "inserted bytes": _insert,
    "repeated bytes": _repeat,
}
