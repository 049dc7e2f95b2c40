"""Reading image files: what each kind of file means as a tensor, and what is refused.

Files are only ever read. The header is judged before any pixel is decoded: the format against a short list,
the size against a limit. Whatever is wrong with a file is a `BadSampleError` that names it.
"""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torchvision import tv_tensors

from imgfw.contract.errors import BadSampleError
from imgfw.engine.input.coded import CodedImage
from imgfw.engine.input.decoding import Lead
from imgfw.engine.input.jpeg import (
    START,
    Box,
    Header,
    decode,
    fast_decoder,
    is_for_any_decoder,
    read_header,
    turned,
)
from imgfw.engine.input.splits import LeastSize
from imgfw.engine.input.warping import Size

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""The formats that are read, by Pillow's names. Of an animation, the first frame is the image."""

MAX_PIXELS = 100_000_000
"""Larger images are refused before they are decoded, unless the caller says otherwise."""

_REDUCTIONS = (8, 4, 2)
"""How many times smaller a JPEG can be decoded, from part of each block's cosines."""

LEAST_REDUCED = 256
"""The shorter side, in pixels, from which an image is decoded smaller: below, there is little to gain."""

_LARGEST_CONTENT = 1 << 28
"""Larger files are left to Pillow, which reads them piece by piece."""

_GAP = 2
"""How many times larger than needed a reduced image stays at least: the rest is left to a proper filter."""

_DEEP_GREY_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I")
_INDEX_MODES = ("1", "L", "P", *_DEEP_GREY_MODES)
_CHANNEL_MODES = {1: "L", 3: "RGB"}
_FIRST_TURNED = 5
"""The EXIF orientations from here on swap height and width."""


def read_image(
    source: Path | str | bytes,
    channels: int = 3,
    max_pixels: int = MAX_PIXELS,
    *,
    name: str = "",
    least_size: Callable[[int, int], Size] | None = None,
) -> tv_tensors.Image:
    """Read an image file.

    - The EXIF orientation is applied. Colour profiles are not.
    - Transparency, of RGBA, grey with alpha, or a palette, is composited over white.
    - Palettes are expanded, 1-bit pixels become 0 and 255, CMYK and YCbCr become RGB.
    - 16-bit grey is scaled to 8 bits as `round(v / 257)`, never clipped; 16-bit colour keeps its high byte.
    - Colour becomes grey as ITU-R 601 luma: `0.299 R + 0.587 G + 0.114 B`. Grey becomes colour by repetition.
    - Floating-point pixels, and integers outside 0..65535, have no defined meaning and are refused.

    Args:
        source: a JPEG, PNG, BMP, GIF, WebP, TIFF or PPM file, whose name need not tell which, or the content
            of one.
        channels: 1 for grey, 3 for RGB.
        max_pixels: refuse larger images (Pillow refuses above about 179 million pixels in any case).
        name: what names the image to its owner, for messages; a file's path unless given.
        least_size: given the image's height and width, says how small it may come. A JPEG that is much
            larger, and 256 pixels wide and high or more, is then decoded at 1/2, 1/4 or 1/8 of its size;
            without it, images come as they are. What a dataset's `read` is given may ask for a part of the
            image alone.

    Returns:
        uint8 `[channels, height, width]`, the channels of a pixel adjacent in memory.

    Raises:
        BadSampleError: the file is missing, empty, truncated, too large, or no image of these formats.
        ValueError: `channels` is neither 1 nor 3.
    """
    if channels not in _CHANNEL_MODES:
        raise ValueError(f"channels is {channels}, should be 1 (grey) or 3 (RGB)")
    name = name or ("an image in memory" if isinstance(source, bytes) else str(source))
    with _named(source, name):
        defers = isinstance(least_size, Lead) and least_size.defers
        content = _content_of_jpeg(source, name, defers)
        coded = _coded(content, channels, max_pixels, name) if defers and content is not None else None
        if coded is not None:
            return cast(
                tv_tensors.Image, coded
            )  # for who made the lead; whoever passes it on looks not into it
        pixels = None if content is None else _read_plain(content, channels, max_pixels, least_size)
        if pixels is None:
            rest = source if content is None else content
            pixels = _read_by_pillow(rest, channels, max_pixels, name, least_size)
    # The bytes stay interleaved in memory, as decoded: resizing takes half the time of separate planes.
    return tv_tensors.Image(torch.from_numpy(np.atleast_3d(pixels)).permute(2, 0, 1))


def _content_of_jpeg(source: Path | str | bytes, name: str, defers: bool) -> bytes | None:
    """The content of what begins like a JPEG; None where it is Pillow's to read anyway."""
    if (fast_decoder() is None and not defers) or (
        isinstance(source, bytes) and not source.startswith(START)
    ):
        return None
    if isinstance(source, bytes):
        return source
    with Path(_finite(source, name)).open("rb", buffering=0) as file:
        start = file.read(len(START))
        if start != START or os.fstat(file.fileno()).st_size > _LARGEST_CONTENT:
            return None
        return start + file.read()


def _read_plain(
    content: bytes, channels: int, max_pixels: int, least_size: LeastSize | None
) -> NDArray[np.uint8] | None:
    """Decode a JPEG, no more of it and no larger than needed; None where that takes Pillow."""
    header = _header_within(content, max_pixels)
    if header is None:
        return None
    orientation = _orientation(content) if header.has_metadata else 1
    size = (header.height, header.width)
    upright = size[::-1] if orientation >= _FIRST_TURNED else size
    reduction, box = _wanted(upright, least_size, is_jpeg=True, is_upright=orientation == 1)
    pixels = decode(content, header, channels, reduction, None if box is None else box[3])
    if pixels is None:
        return None
    return turned(pixels, orientation) if box is None else _part(pixels, box)


def _coded(content: bytes, channels: int, max_pixels: int, name: str) -> CodedImage | None:
    """A JPEG as it is; None where not every decoder makes the same of it."""
    header = _header_within(content, max_pixels)
    if header is None or channels != header.channels or not is_for_any_decoder(content, header):
        return None
    if header.has_metadata and _orientation(content) != 1:
        return None
    return CodedImage(content, header.height * header.width, name)


def _header_within(content: bytes, max_pixels: int) -> Header | None:
    """The header of a plain JPEG; None where there is none, or the image is too large."""
    header = read_header(content)
    limit = min(max_pixels, Image.MAX_IMAGE_PIXELS or max_pixels)
    return None if header is None or header.height * header.width > limit else header


def _orientation(content: bytes) -> Any:
    """What a file's metadata give as its orientation; 1 is upright, and damaged files may give anything."""
    with _unwarned(), Image.open(BytesIO(content), formats=FORMATS) as image:
        return image.getexif().get(ExifTags.Base.Orientation, 1)


def _read_by_pillow(
    source: Path | str | bytes, channels: int, max_pixels: int, name: str, least_size: LeastSize | None
) -> NDArray[np.uint8]:
    """Read any image that is read at all."""
    with _opened(source, name, max_pixels) as image:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        size = image.size if orientation >= _FIRST_TURNED else (image.height, image.width)
        reduction, box = _wanted(size, least_size, image.format == "JPEG", orientation == 1)
        if reduction > 1:
            image.draft(None, (image.width // reduction, image.height // reduction))
        if orientation != 1:
            ImageOps.exif_transpose(image, in_place=True)
        if box is not None and image.mode in _CHANNEL_MODES.values():
            shown, box = image.crop(box), None
        else:
            shown = image
        flat, mode = _flatten(shown, name), _CHANNEL_MODES[channels]
        pixels = np.array(flat if flat.mode == mode else flat.convert(mode))
    return pixels if box is None else _part(pixels, box)


def _wanted(
    size: Size, least_size: LeastSize | None, is_jpeg: bool, is_upright: bool = True
) -> tuple[int, Box | None]:
    """How many times smaller an image is decoded (1, 2, 4 or 8), and which part of it; None is all."""
    lead = least_size if isinstance(least_size, Lead) and is_upright else None
    if least_size is None or (lead is None and not is_jpeg):
        return 1, None
    rows, columns = least_size(*size)
    room = min(size[0] / rows, size[1] / columns) / _GAP
    if is_jpeg and min(size) >= LEAST_REDUCED and room >= _REDUCTIONS[-1]:
        return next(reduction for reduction in _REDUCTIONS if reduction <= room), None
    return 1, None if lead is None else lead.part()


def _part(pixels: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    left, top, right, bottom = box
    return pixels[top:bottom, left:right]


def read_mask(path: Path | str, max_pixels: int = MAX_PIXELS) -> tv_tensors.Mask:
    """Read a segmentation mask, whose pixels are class indices.

    A palette's indices are the indices, its colours count for nothing. Grey values are indices as they are,
    1-bit pixels are 0 and 1. The EXIF orientation is ignored. Colour and indices above 255 are refused.

    Args:
        path: a file in a lossless format; JPEG is refused, because it changes indices.
        max_pixels: refuse larger masks.

    Returns:
        uint8 `[height, width]`.

    Raises:
        BadSampleError: the file is missing, damaged, too large, or holds no class indices.
    """
    with _opened(path, str(path), max_pixels) as image:
        if image.format in ("JPEG", "MPO"):
            raise BadSampleError(str(path), "is a JPEG, which changes class indices; save masks as PNG")
        if image.mode not in _INDEX_MODES:
            raise BadSampleError(
                str(path), f"has {image.mode} pixels; a mask holds one class index a pixel (grey or palette)"
            )
        indices = np.array(image)
    if indices.min() < 0 or indices.max() > 255:
        raise BadSampleError(str(path), f"holds class indices outside 0..255 (up to {indices.max()})")
    return tv_tensors.Mask(torch.from_numpy(indices.astype(np.uint8)))


@contextmanager
def _opened(source: Path | str | bytes, name: str, max_pixels: int) -> Iterator[Image.Image]:
    """Open an image, its header judged; any failure until the block ends is the file's."""
    with _named(source, name), _unwarned():
        file = BytesIO(source) if isinstance(source, bytes) else _finite(source, name)
        with Image.open(file, formats=FORMATS) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise BadSampleError(
                    name, f"has {width}x{height} pixels, more than the limit of {max_pixels:,}"
                )
            yield image


@contextmanager
def _unwarned() -> Iterator[None]:
    """Pillow warns of oddities in files that it reads all the same; a training run cannot mend them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _named(source: Path | str | bytes, name: str) -> Iterator[None]:
    """Whatever fails in the block is what is wrong with the file."""
    try:
        yield
    except BadSampleError:
        raise
    except Exception as error:  # decoders meet damaged files with every kind of exception
        raise BadSampleError(name, _reason(source, error)) from error


def _finite(path: Path | str, name: str) -> Path | str:
    """A path, unless a pipe or a device is there, which might never end."""
    mode = Path(path).stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise BadSampleError(name, "is a pipe or a device, not a file")
    return path


def _reason(source: Path | str | bytes, error: Exception) -> str:
    """Why an image could not be read, for its owner."""
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    if isinstance(error, UnidentifiedImageError):
        if (len(source) if isinstance(source, bytes) else Path(source).stat().st_size) == 0:
            return "is empty"
        return f"is no image of a format that is read ({', '.join(FORMATS)})"
    if isinstance(error, Image.DecompressionBombError):
        return f"has too many pixels ({str(error).rstrip('.')})"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read ({error.strerror})"
    return f"cannot be decoded ({str(error).rstrip('.') or type(error).__name__})"


def _flatten(image: Image.Image, name: str) -> Image.Image:
    """Bring an image to 8 bits, without transparency."""
    if image.mode in _DEEP_GREY_MODES:
        return Image.fromarray(_to_8_bits(np.array(image), name))
    if image.mode == "F":
        raise BadSampleError(name, "has floating-point pixels, whose scale is not defined")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image


def _to_8_bits(values: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Scale 16-bit grey to 8 bits."""
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise BadSampleError(name, f"has grey values {low}..{high}, outside the 16-bit range 0..65535")
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
