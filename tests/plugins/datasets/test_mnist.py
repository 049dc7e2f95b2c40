"""The idx files of MNIST and Fashion-MNIST."""

from __future__ import annotations

import gzip
import hashlib
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from imgfw import DataError
from imgfw_plugins.datasets import fashion_mnist, mnist
from imgfw_plugins.datasets.idx import read_idx

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def idx(values: np.ndarray) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def contents() -> dict[str, bytes]:
    """Seven training and three test images, each filled with its index."""
    files = {}
    for images, labels, count in ((NAMES[0], NAMES[1], 7), (NAMES[2], NAMES[3], 3)):
        numbers = np.arange(count, dtype=np.uint8)
        files[images] = idx(np.broadcast_to(numbers[:, None, None], (count, 28, 28)))
        files[labels] = idx(numbers % 10)
    return files


def write(folder: Path, packed: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents().items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("below", [".", "MNIST/raw"])
def test_the_files_are_found_packed_or_not_in_the_root_or_in_torchvisions_folder(tmp_path, packed, below):
    write(tmp_path / below, packed)
    splits = mnist(root=tmp_path)
    assert (len(splits.train), splits.val, len(splits.test)) == (7, None, 3)
    image, label = splits.train[5]
    assert image.shape == (1, 28, 28)
    assert image.dtype == torch.uint8
    assert (image.unique().tolist(), label) == ([5], 5)
    assert splits.test.labels() == [0, 1, 2]


def test_the_two_datasets_do_not_mix_in_one_root(tmp_path):
    write(tmp_path / "MNIST" / "raw")
    with pytest.raises(DataError, match="FashionMNIST"):
        fashion_mnist(root=tmp_path)


def test_the_info_names_the_classes(tmp_path):
    write(tmp_path)
    assert mnist(root=tmp_path).info.classes == tuple("0123456789")
    info = fashion_mnist(root=tmp_path).info
    assert info.classes[9] == "Ankle boot"
    assert (info.task, info.channels, info.image_size) == ("classification", 1, (28, 28))


def test_a_missing_file_is_named_with_where_to_get_it_and_where_to_put_it(tmp_path):
    write(tmp_path)
    (tmp_path / NAMES[3]).unlink()
    with pytest.raises(DataError) as caught:
        mnist(root=tmp_path)
    message = str(caught.value)
    assert f"{NAMES[3]}.gz" in message
    assert "https://" in message
    assert f"put it into {tmp_path}" in message
    assert '"download": true' in message


def truncated(content: bytes) -> bytes:
    return content[:-1]


def with_a_byte_too_many(content: bytes) -> bytes:
    return content + b"\0"


def of_two_byte_values(content: bytes) -> bytes:
    return content[:2] + b"\x0b" + content[3:]


def of_another_dimension(content: bytes) -> bytes:
    return content[:3] + b"\x02" + content[4:]


def promising_too_much(content: bytes) -> bytes:
    return content[:4] + b"\xff" * 12 + content[16:]


def nothing(content: bytes) -> bytes:
    return b""


def cut_gzip(content: bytes) -> bytes:
    return gzip.compress(content)[:40]


@pytest.mark.parametrize(
    "damage",
    [
        truncated,
        with_a_byte_too_many,
        of_two_byte_values,
        of_another_dimension,
        promising_too_much,
        nothing,
        cut_gzip,
    ],
)
def test_a_damaged_file_is_named(tmp_path, damage):
    write(tmp_path)
    path = tmp_path / NAMES[0]
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=NAMES[0]):
        mnist(root=tmp_path)


def test_a_packed_bomb_is_not_unpacked_beyond_its_header(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(idx(np.zeros((2, 3), np.uint8)) + bytes(50_000_000)))
    with pytest.raises(DataError, match="promises 6 bytes, it holds more"):
        read_idx(path, ndim=2)


def test_images_and_labels_must_agree_in_number(tmp_path):
    write(tmp_path)
    (tmp_path / NAMES[1]).write_bytes(idx(np.zeros(6, np.uint8)))
    with pytest.raises(DataError, match=r"7 images, but .* 6 labels"):
        mnist(root=tmp_path)


def test_images_of_another_size_are_refused(tmp_path):
    write(tmp_path)
    (tmp_path / NAMES[0]).write_bytes(idx(np.zeros((7, 32, 30), np.uint8)))
    with pytest.raises(DataError, match="32x30 pixels, expected 28x28"):
        mnist(root=tmp_path)


@pytest.fixture
def mirror(tmp_path, monkeypatch, serve) -> Path:
    """A mirror in a folder, with its checksums in the place of the published ones."""
    folder = write(tmp_path / "mirror", packed=True)
    address = serve(folder)
    sums = [(f"{name}.gz", hashlib.md5((folder / f"{name}.gz").read_bytes()).hexdigest()) for name in NAMES]
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [f"{address}absent/", address])
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", sums)
    return folder


def test_download_takes_the_files_from_the_first_mirror_that_has_them(tmp_path, mirror):
    assert len(mnist(root=tmp_path / "data", download=True).train) == 7
    assert sorted(path.name for path in (tmp_path / "data/MNIST/raw").iterdir()) == sorted(
        f"{name}.gz" for name in NAMES
    )
    for path in mirror.iterdir():
        path.unlink()
    assert len(mnist(root=tmp_path / "data", download=True).train) == 7


def test_a_download_with_another_checksum_is_refused_and_leaves_nothing(tmp_path, mirror):
    (mirror / f"{NAMES[0]}.gz").write_bytes(b"something else")
    with pytest.raises(DataError, match=rf"{NAMES[0]}.gz could not be downloaded .*its md5 is"):
        mnist(root=tmp_path / "data", download=True)
    assert list((tmp_path / "data/MNIST/raw").iterdir()) == []


@pytest.mark.parametrize("published", [torchvision.datasets.MNIST, torchvision.datasets.FashionMNIST])
def test_torchvisions_mirrors_are_asked_over_https_only(tmp_path, monkeypatch, published):
    asked: list[str] = []

    def note(urls, target, checksum):
        asked.extend(urls)
        raise DataError("no network")

    monkeypatch.setattr(sys.modules["imgfw_plugins.datasets.mnist"], "fetch", note)
    with pytest.raises(DataError, match="no network"):
        {"MNIST": mnist, "FashionMNIST": fashion_mnist}[published.__name__](root=tmp_path, download=True)
    assert len(asked) == len(published.mirrors)
    assert all(url.startswith("https://") and "s3-website" not in url for url in asked)


def test_without_network_the_error_says_how_to_do_it_by_hand(tmp_path, monkeypatch):
    closed = "https://127.0.0.1:9/"
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [closed])
    with pytest.raises(DataError) as caught:
        mnist(root=tmp_path, download=True)
    assert f"Fetch {closed}{NAMES[0]}.gz" in str(caught.value)
    assert caught.value.exit_code == 3


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_debians_files_are_the_real_dataset():
    splits = fashion_mnist(root=DEBIAN)
    assert (len(splits.train), len(splits.test)) == (60_000, 10_000)
    assert torch.bincount(splits.train.targets).tolist() == [6000] * 10
