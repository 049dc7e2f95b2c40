"""What each kind of image file means, and which are refused."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from imgfw import BadSampleError, read_image, read_mask
from PIL import Image
from torchvision import tv_tensors

RAMP = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20


def save(image: Image.Image, path: Path, **options) -> Path:
    image.save(path, **options)
    return path


def test_an_rgb_file_is_a_uint8_image_of_channels_height_width(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    image = read_image(save(Image.fromarray(pixels), tmp_path / "a.png"))
    assert isinstance(image, tv_tensors.Image)
    assert image.dtype == torch.uint8
    assert np.array_equal(image.numpy(), pixels.transpose(2, 0, 1))


def test_grey_is_repeated_for_three_channels_and_kept_for_one(tmp_path):
    path = save(Image.fromarray(RAMP), tmp_path / "a.png")
    assert np.array_equal(read_image(path, channels=1).numpy(), RAMP[None])
    assert np.array_equal(read_image(path).numpy(), np.stack([RAMP] * 3))


def test_colour_becomes_grey_as_itu_601_luma(tmp_path):
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], dtype=np.uint8)
    path = save(Image.fromarray(colours), tmp_path / "a.png")
    assert read_image(path, channels=1).flatten().tolist() == [76, 150, 29]


def test_transparency_is_composited_over_white(tmp_path):
    pixels = np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [200, 0, 0, 128]]], dtype=np.uint8)
    image = read_image(save(Image.fromarray(pixels, "RGBA"), tmp_path / "a.png"))
    assert image[:, 0, 0].tolist() == [255, 255, 255]
    assert image[:, 0, 1].tolist() == [0, 0, 0]
    assert image[:, 0, 2].tolist() == [227, 127, 127]


def test_grey_with_alpha_is_composited_over_white(tmp_path):
    pixels = np.array([[[10, 0], [10, 255]]], dtype=np.uint8)
    path = save(Image.fromarray(pixels, "LA"), tmp_path / "a.png")
    assert read_image(path, channels=1).flatten().tolist() == [255, 10]
    assert read_image(path)[:, 0, 1].tolist() == [10, 10, 10]


def test_a_palette_is_expanded_and_its_transparent_entry_is_white(tmp_path):
    image = Image.fromarray(np.array([[0, 1, 2]], dtype=np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    plain = read_image(save(image, tmp_path / "plain.png"))
    clear = read_image(save(image, tmp_path / "clear.png", transparency=1))
    assert plain[:, 0].T.tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    assert clear[:, 0].T.tolist() == [[255, 0, 0], [255, 255, 255], [0, 0, 255]]


def test_a_palette_with_an_alpha_for_each_entry_is_composited(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], dtype=np.uint8), "P")
    image.putpalette([0, 0, 0, 0, 0, 0])
    path = save(image, tmp_path / "a.png", transparency=bytes([255, 0]))
    assert read_image(path, channels=1).flatten().tolist() == [0, 255]


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm"])
def test_16_bit_grey_is_scaled_and_not_clipped(tmp_path, name):
    values = np.array([[0, 128, 129, 257, 32896, 65534, 65535]], dtype=np.uint16)
    path = save(Image.fromarray(values), tmp_path / name)
    assert read_image(path, channels=1).flatten().tolist() == [0, 0, 1, 1, 128, 255, 255]
    assert read_image(path).shape == (3, 1, 7)


def test_big_endian_16_bit_grey_is_scaled(tmp_path):
    values = np.array([[0, 257, 65535]], dtype=">u2")
    path = save(Image.frombytes("I;16B", (3, 1), values.tobytes()), tmp_path / "a.tif")
    assert read_image(path, channels=1).flatten().tolist() == [0, 1, 255]


def test_32_bit_grey_beyond_16_bits_is_refused(tmp_path):
    path = save(Image.fromarray(np.array([[0, 70000]], dtype=np.int32)), tmp_path / "a.tif")
    with pytest.raises(BadSampleError, match=r"a\.tif: has grey values 0\.\.70000"):
        read_image(path)


def test_floating_point_pixels_are_refused(tmp_path):
    path = save(Image.fromarray(np.ones((2, 2), dtype=np.float32)), tmp_path / "a.tif")
    with pytest.raises(BadSampleError, match="floating-point"):
        read_image(path)


def test_1_bit_pixels_are_black_and_white(tmp_path):
    path = save(Image.fromarray(np.array([[True, False]])).convert("1"), tmp_path / "a.png")
    assert read_image(path, channels=1).flatten().tolist() == [255, 0]


def test_cmyk_becomes_rgb(tmp_path):
    path = save(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), tmp_path / "a.jpg")
    red = read_image(path)[:, 4, 4].tolist()
    assert red[0] > 240
    assert max(red[1:]) < 15


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp"])
def test_the_exif_orientation_is_applied(tmp_path, name):
    pixels = np.zeros((16, 32, 3), dtype=np.uint8)
    pixels[:, 16:] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise to be upright
    image = read_image(save(Image.fromarray(pixels), tmp_path / name, exif=exif))
    assert image.shape == (3, 32, 16)
    assert int(image[0, 4, 8]) < 20
    assert int(image[0, 28, 8]) > 235


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.gif", "a.webp", "a.tiff", "a.ppm", "a.jpg", "png.txt"])
def test_every_listed_format_is_read_whatever_its_name(tmp_path, name):
    form = "PNG" if name == "png.txt" else None
    path = save(Image.new("RGB", (9, 6), (250, 250, 250)), tmp_path / name, format=form)
    assert read_image(str(path)).float().mean() == pytest.approx(250, abs=2)


def test_an_animation_is_its_first_frame(tmp_path):
    frames = [Image.new("L", (4, 4), value) for value in (40, 200)]
    path = save(frames[0], tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert read_image(path, channels=1).unique().tolist() == [40]


def png_chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_without_rows(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(b""))


@pytest.mark.parametrize("side", [10_500, 60_000])
def test_a_decompression_bomb_is_refused_by_its_header(tmp_path, side):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_without_rows(side, side))
    with pytest.raises(BadSampleError, match=r"bomb\.png: has .*pixels"):
        read_image(path)


def test_the_pixel_limit_is_the_callers(tmp_path):
    path = save(Image.new("L", (20, 10)), tmp_path / "a.png")
    assert read_image(path, max_pixels=200).shape == (3, 10, 20)
    with pytest.raises(BadSampleError, match="has 20x10 pixels, more than the limit of 199"):
        read_image(path, max_pixels=199)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
def test_a_truncated_file_is_named_and_left_as_it_is(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = save(Image.fromarray(noise), tmp_path / name)
    half = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(half)
    with pytest.raises(BadSampleError) as caught:
        read_image(path)
    assert caught.value.source == str(path)
    assert path.read_bytes() == half


def test_a_text_file_named_png_is_no_image(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("not an image")
    with pytest.raises(BadSampleError, match=r"a\.png: is no image of a format that is read"):
        read_image(path)


def test_a_format_that_is_not_listed_is_refused(tmp_path):
    path = save(Image.new("RGB", (4, 4)), tmp_path / "a.png", format="ICO")
    with pytest.raises(BadSampleError, match="is no image of a format"):
        read_image(path)


def test_empty_and_missing_files_and_folders_are_named(tmp_path):
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(BadSampleError, match=r"empty\.jpg: is empty"):
        read_image(tmp_path / "empty.jpg")
    with pytest.raises(BadSampleError, match=r"missing\.jpg: does not exist"):
        read_image(tmp_path / "missing.jpg")
    with pytest.raises(BadSampleError, match="cannot be read"):
        read_image(tmp_path)


def test_a_pipe_is_named_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(BadSampleError, match=r"pipe\.png: is a pipe or a device, not a file"):
        read_image(tmp_path / "pipe.png")


def test_a_loop_of_links_is_named(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "b.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    with pytest.raises(BadSampleError, match=r"a\.png: cannot be read \(Too many levels of symbolic links\)"):
        read_image(tmp_path / "a.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(BadSampleError, match=r"a\.png: cannot be read \(Permission denied\)"):
        read_image(tmp_path / "a.png")


def test_the_content_of_a_file_is_read_like_the_file(tmp_path):
    path = save(Image.new("RGBA", (3, 2), (200, 100, 50, 128)), tmp_path / "a.png")
    assert torch.equal(read_image(path.read_bytes(), 1), read_image(path, 1))


def test_content_that_is_no_image_is_named_by_the_caller():
    for content, reason in ((b"", "is empty"), (b"text", "no image of a format that is read")):
        with pytest.raises(BadSampleError, match=f"^beans, row 7: .*{reason}"):
            read_image(content, name="beans, row 7")


def test_pillows_warnings_are_kept_from_the_user(tmp_path, monkeypatch):
    path = save(Image.new("L", (10, 12)), tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        read_image(path, channels=1)
    assert seen == []


def test_two_channels_are_refused(tmp_path):
    with pytest.raises(ValueError, match="channels is 2"):
        read_image(tmp_path / "a.png", channels=2)


def test_a_palette_masks_indices_are_its_classes(tmp_path):
    mask = Image.fromarray(np.array([[0, 1, 255]], dtype=np.uint8), "P")
    mask.putpalette([9, 9, 9] * 256)
    read = read_mask(save(mask, tmp_path / "m.png"))
    assert isinstance(read, tv_tensors.Mask)
    assert read.dtype == torch.uint8
    assert read.tolist() == [[0, 1, 255]]


def test_grey_1_bit_and_16_bit_masks_are_indices(tmp_path):
    grey = save(Image.fromarray(np.array([[0, 7]], dtype=np.uint8)), tmp_path / "grey.png")
    bits = save(Image.fromarray(np.array([[True, False]])).convert("1"), tmp_path / "bits.png")
    deep = save(Image.fromarray(np.array([[3, 200]], dtype=np.uint16)), tmp_path / "deep.png")
    assert read_mask(grey).tolist() == [[0, 7]]
    assert read_mask(bits).tolist() == [[1, 0]]
    assert read_mask(deep).tolist() == [[3, 200]]


def test_masks_that_hold_no_indices_are_refused(tmp_path):
    colour = save(Image.new("RGB", (2, 2)), tmp_path / "colour.png")
    lossy = save(Image.new("L", (2, 2)), tmp_path / "lossy.jpg")
    deep = save(Image.fromarray(np.array([[256]], dtype=np.uint16)), tmp_path / "deep.png")
    for path, reason in ((colour, "has RGB pixels"), (lossy, "is a JPEG"), (deep, "outside 0..255")):
        with pytest.raises(BadSampleError, match=f"{path.name}: .*{reason}"):
            read_mask(path)


def test_the_channels_of_a_pixel_are_neighbours_in_memory(tmp_path):
    image = Image.fromarray(np.zeros((6, 5, 3), dtype=np.uint8))
    for name in ("a.jpg", "a.png"):
        assert read_image(save(image, tmp_path / name)).stride() == (1, 15, 3)


@pytest.mark.parametrize(
    ("least_size", "size"),
    [
        (lambda height, width: (height, width), (360, 600)),
        (lambda height, width: (180, 300), (360, 600)),
        (lambda height, width: (90, 150), (180, 300)),
        (lambda height, width: (90, 151), (360, 600)),
        (lambda height, width: (44, 75), (90, 150)),
        (lambda height, width: (1, 1), (45, 75)),
    ],
)
def test_a_large_jpeg_is_decoded_at_a_fraction_that_leaves_twice_what_is_needed(tmp_path, least_size, size):
    ramp = np.add.outer(np.arange(360), np.arange(600)) * 255 // 958
    path = save(Image.fromarray(ramp.astype(np.uint8)), tmp_path / "a.jpg", quality=95)
    image = read_image(path, least_size=least_size)
    assert tuple(image.shape) == (3, *size)
    expected = np.array(Image.fromarray(ramp.astype(np.uint8)).resize(size[::-1], Image.Resampling.BOX))
    assert np.abs(image[0].numpy().astype(int) - expected).max() <= 4


def test_a_turned_jpeg_is_asked_for_by_its_upright_size(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(Image.new("RGB", (600, 360)), tmp_path / "a.jpg", exif=exif)
    asked = []

    def least_size(height, width):
        asked.append((height, width))
        return 120, 90

    assert read_image(path, least_size=least_size).shape == (3, 300, 180)
    assert asked == [(600, 360)]


@pytest.mark.parametrize(("name", "side"), [("a.png", 360), ("a.jpg", 255)])
def test_other_formats_and_small_images_are_decoded_whole(tmp_path, name, side):
    path = save(Image.new("RGB", (400, side)), tmp_path / name)
    assert read_image(path, least_size=lambda height, width: (1, 1)).shape == (3, side, 400)
