"""The fast decoder makes the pixels that Pillow makes, and has no say in which files are good."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from imgfw import BadSampleError, read_image
from imgfw.engine.input import images
from imgfw.engine.input.decoding import Lead
from imgfw.engine.input.jpeg import decode, fast_decoder, read_header, shortened
from imgfw_plugins.transforms import CenterCrop, RandomHorizontalFlip, RandomResizedCrop, Resize
from PIL import Image

pytest.importorskip("simplejpeg")

KINDS = {
    "4:2:0": {"subsampling": 2},
    "4:2:2": {"subsampling": 1},
    "4:4:4": {"subsampling": 0},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1},
    "coarse": {"quality": 20},
    "commented": {"comment": b"a meadow", "icc_profile": b"none" * 30_000},
    "grey": {"mode": "L"},
    "grey, progressive": {"mode": "L", "progressive": True},
}
SIZES = [(1, 1), (7, 9), (33, 64), (101, 67), (301, 299)]


def jpeg(height, width, mode="RGB", **options):
    """The content of a file: detail and noise in every channel."""
    generator = np.random.default_rng(height * width)
    coarse = generator.integers(0, 256, (height // 9 + 2, width // 9 + 2, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    noisy = np.array(smooth, dtype=int) + generator.integers(-12, 13, (height, width, 3))
    file = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).convert(mode).save(
        file, "JPEG", **{"quality": 90, **options}
    )
    return file.getvalue()


def by_pillow(content, channels=3, reduction=1):
    with Image.open(io.BytesIO(content)) as image:
        if reduction > 1:
            image.draft(None, (image.width // reduction, image.height // reduction))
        return np.atleast_3d(np.array(image.convert("RGB" if channels == 3 else "L")))


@pytest.fixture
def without_the_fast_decoder(monkeypatch):
    monkeypatch.setattr(images, "fast_decoder", lambda: None)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_pixels_are_pillows_bit_for_bit(kind, size):
    content = jpeg(*size, **KINDS[kind])
    header = read_header(content)
    assert (header.height, header.width) == size
    for channels in {header.channels, 3}:
        assert np.array_equal(decode(content, header, channels), by_pillow(content, channels))


@pytest.mark.parametrize("reduction", [2, 4, 8])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_reduced_pixels_are_pillows_bit_for_bit(kind, reduction):
    content = jpeg(523, 259, **KINDS[kind])
    pixels = decode(content, read_header(content), 3, reduction)
    assert np.array_equal(pixels, by_pillow(content, 3, reduction))


@pytest.mark.parametrize("rows", [1, 16, 31, 32, 33, 100, 170, 299, 301])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_first_rows_alone_keep_every_bit(kind, rows):
    content = jpeg(301, 299, **KINDS[kind])
    header = read_header(content)
    pixels, whole = decode(content, header, 3, rows=rows), by_pillow(content)
    is_short = header.in_one_scan and rows < 224
    assert (shortened(content, header, rows) is not None) == is_short
    assert np.array_equal(pixels, whole[:rows] if is_short else whole)


def test_what_is_not_plain_is_left_to_pillow():
    assert read_header(jpeg(20, 30, mode="CMYK")) is None
    assert read_header(b"\x89PNG\r\n\x1a\n" + bytes(90)) is None
    content = jpeg(20, 30)
    assert all(read_header(content[:end]) is None for end in range(200))
    several = io.BytesIO()
    first, second = (Image.new("RGB", (20, 30), colour) for colour in ("red", "blue"))
    first.save(several, "MPO", save_all=True, append_images=[second])
    assert read_header(several.getvalue()) is None
    colour = read_header(content)
    assert decode(content, colour, 1) is None  # luma is Pillow's to make


@pytest.mark.parametrize("least_size", [None, lambda height, width: (height // 5, width // 5)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("orientation", range(10))
def test_orientations_are_applied_as_by_pillow(orientation, mode, least_size, monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = jpeg(300, 270, mode, exif=exif)
    expected = read_without_the_fast_decoder(content, least_size=least_size)
    monkeypatch.setattr(images, "_read_by_pillow", None)
    assert torch.equal(read_image(content, least_size=least_size), expected)


def read_without_the_fast_decoder(content, **settings):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "fast_decoder", lambda: None)
        return read_image(content, **settings)


def verdict(content, **settings):
    """What `read_image` makes of a file: the pixels, or what is wrong."""
    try:
        return read_image(content, **settings).tolist()
    except BadSampleError as error:
        return error.reason


class Part(Lead):
    """Asks for a part of an image."""

    def __init__(self, box):
        super().__init__([], False)
        self._box = box

    def __call__(self, height, width):
        return height, width

    def part(self):
        return self._box


@pytest.mark.parametrize("progressive", [False, True])
def test_damaged_files_are_judged_by_pillow_however_they_are_read(progressive, request):
    content = jpeg(90, 61, progressive=progressive)
    generator = np.random.default_rng(0)
    damaged = [content[:end] for end in range(2, len(content), 97)] + [content[:-1], content[:-2]]
    for _ in range(60):
        changed = bytearray(content)
        for place in generator.integers(0, len(content), 3):
            changed[place] = generator.integers(256)
        damaged.append(bytes(changed))
    ways = [{}, {"least_size": Part((3, 2, 50, 20))}]
    found = [[verdict(file, **way) for way in ways] for file in damaged]
    request.getfixturevalue("without_the_fast_decoder")
    expected = [[verdict(file, **way) for way in ways] for file in damaged]
    assert found == expected
    assert sum(isinstance(whole, str) for whole, _ in expected) > 20


def test_a_size_above_the_limit_is_refused_before_decoding(monkeypatch):
    content = jpeg(40, 50)
    monkeypatch.setattr(images, "decode", None)
    with pytest.raises(BadSampleError, match="has 50x40 pixels, more than the limit of 1,999"):
        read_image(content, max_pixels=1999)


@pytest.mark.parametrize("kind", ["4:2:0", "progressive", "grey", "PNG", "with alpha"])
@pytest.mark.parametrize("with_fast", [True, False])
def test_a_part_is_what_the_whole_image_shows_there(kind, with_fast, tmp_path, request):
    whole = Image.open(io.BytesIO(jpeg(301, 299, **KINDS.get(kind, {}))))
    path = tmp_path / "a"
    if kind in KINDS:
        path.write_bytes(jpeg(301, 299, **KINDS[kind]))
    elif kind == "PNG":
        whole.save(path, "PNG")
    else:
        whole.putalpha(whole.convert("L"))
        whole.save(path, "PNG")
    if not with_fast:
        request.getfixturevalue("without_the_fast_decoder")
    left, top, right, bottom = box = (20, 13, 211, 140)
    part = read_image(path, least_size=Part(box))
    assert torch.equal(part, read_image(path)[:, top:bottom, left:right])


@pytest.mark.parametrize(
    "transforms",
    [
        lambda info: [RandomResizedCrop(size=130, scale=(0.3, 1))],
        lambda info: [Resize(size=280), RandomHorizontalFlip()],
        lambda info: [CenterCrop(info, size=100), RandomResizedCrop(size=140)],
        lambda info: [RandomHorizontalFlip(), RandomResizedCrop(size=140)],
    ],
    ids=["crop", "resize", "centre", "flip"],
)
def test_transforms_make_the_same_bits_of_a_part(transforms):
    from imgfw import DatasetInfo
    from imgfw.engine.input.pipeline import Pipeline

    info = DatasetInfo(task="classification", classes=("a", "b"))
    pipeline = Pipeline(transforms(info), 5, False)
    indices = list(range(12))
    contents = [jpeg(251, 299) for _ in indices]
    leads = pipeline.leads(0, indices)
    parts = [(read_image(content, least_size=lead), 0) for content, lead in zip(contents, leads, strict=True)]
    whole = [(read_image(content), 0) for content in contents]
    found = pipeline.apply_to_samples(parts, 0, indices, leads)
    expected = pipeline.apply_to_samples(whole, 0, indices)
    assert all(torch.equal(one[0], other[0]) for one, other in zip(found, expected, strict=True))


def test_the_fast_decoder_is_used(monkeypatch):
    monkeypatch.setattr(images, "_read_by_pillow", None)
    assert fast_decoder() is not None
    assert read_image(jpeg(33, 64)).shape == (3, 33, 64)
