"""The batch files of CIFAR, read without unpickling."""

from __future__ import annotations

import hashlib
import os
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from imgfw import DataError
from imgfw_plugins.datasets import cifar10, cifar100
from imgfw_plugins.datasets.cifar_batches import read_batch, read_class_names

NAMES = ["airplane", "automobile"]


def images(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)


def published_batch(pixels: np.ndarray, labels: list[int]) -> bytes:
    """A batch in the very opcodes of the published files: Python 2 strings, NumPy's old module names."""
    text = pixels.tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        + b"(K\x01"
        + b"M" + struct.pack("<H", len(pixels)) + b"M" + struct.pack("<H", 3072) + b"\x86"
        + b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        + b"\x89" + b"T" + struct.pack("<i", len(text)) + text + b"tb"
    )  # fmt: skip
    items = b"".join(b"K" + bytes([label]) for label in labels)
    return b"\x80\x02}(U\x04data" + array + b"U\x06labels](" + items + b"eu."


def write_batch(path: Path, seed: int, key: str = "labels", count: int = 4, **changes) -> Path:
    content = {"data": images(count, seed), key: [i % 2 for i in range(count)], "batch_label": "x"}
    path.write_bytes(pickle.dumps({**content, **changes}, protocol=4))
    return path


def test_a_batch_as_it_was_published_is_read(tmp_path):
    pixels = images(3, seed=0)
    path = tmp_path / "data_batch_1"
    path.write_bytes(published_batch(pixels, [1, 0, 9]))
    assert pickle.loads(path.read_bytes(), encoding="latin1")["labels"] == [1, 0, 9]
    read, labels = read_batch(path, "labels")
    assert labels == [1, 0, 9]
    assert np.array_equal(read, pixels.reshape(3, 3, 32, 32))


def test_a_batch_that_python_3_wrote_is_read_whatever_the_order_of_its_values(tmp_path):
    path = write_batch(tmp_path / "train", 1, key="fine_labels", data=np.asfortranarray(images(4, 1)))
    read, labels = read_batch(path, "fine_labels")
    assert labels == [0, 1, 0, 1]
    assert np.array_equal(read.reshape(4, 3072), images(4, 1))


class Malicious:
    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("function", [os.system, eval, exec, getattr, np.load])
def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(tmp_path, function):
    path = tmp_path / "data_batch_1"
    witness = tmp_path / "witness"
    path.write_bytes(pickle.dumps({"data": Malicious(function, f"touch {witness}"), "labels": []}))
    with pytest.raises(DataError, match=r"data_batch_1 .*asks for .*\."):
        read_batch(path, "labels")
    assert not witness.exists()


def test_an_array_of_objects_is_refused(tmp_path):
    path = write_batch(tmp_path / "data_batch_1", 0, data=np.array([[None] * 3072] * 4))
    with pytest.raises(DataError, match="no bytes"):
        read_batch(path, "labels")


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": [0, 1, 0]},
        {"labels": ["a", "b", "c", "d"]},
        {"labels": None},
        {"data": [1, 2]},
        {"data": images(4, 0)[:, :3000]},
        {"data": images(4, 0).ravel()},
    ],
)
def test_a_batch_that_contradicts_itself_is_named(tmp_path, changes):
    path = write_batch(tmp_path / "data_batch_1", 0, **changes)
    with pytest.raises(DataError, match="data_batch_1"):
        read_batch(path, "labels")


@pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps([1]), pickle.dumps({})])
def test_what_is_no_batch_is_named(tmp_path, content):
    path = tmp_path / "data_batch_1"
    path.write_bytes(content)
    with pytest.raises(DataError, match="data_batch_1"):
        read_batch(path, "labels")
    with pytest.raises(DataError, match="data_batch_1"):
        read_class_names(path, "label_names")


def md5_of(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture(params=["CIFAR10", "CIFAR100"])
def published(request, tmp_path, monkeypatch, serve):
    """A small dataset in the published layout, whose checksums stand in the place of the published ones.

    Returns its provider, torchvision's class, and the folder that plays the network.
    """
    table = getattr(torchvision.datasets, request.param)
    folder = tmp_path / "network" / table.base_folder
    folder.mkdir(parents=True)
    key = "labels" if request.param == "CIFAR10" else "fine_labels"
    for attribute in ("train_list", "test_list"):
        listed = [[name, ""] for name, _ in getattr(table, attribute)]
        for seed, entry in enumerate(listed):
            entry[1] = md5_of(write_batch(folder / entry[0], seed, key))
        monkeypatch.setattr(table, attribute, listed)
    meta = folder / table.meta["filename"]
    meta.write_bytes(pickle.dumps({table.meta["key"]: NAMES}))
    monkeypatch.setattr(table, "meta", {**table.meta, "md5": md5_of(meta)})
    archive = tmp_path / "network" / table.filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, table.base_folder)
    monkeypatch.setattr(table, "tgz_md5", md5_of(archive))
    monkeypatch.setattr(table, "url", serve(archive.parent) + archive.name)
    return {"CIFAR10": cifar10, "CIFAR100": cifar100}[request.param], table, tmp_path / "network"


def test_the_splits_and_the_class_names_come_from_the_files(published):
    provider, table, network = published
    splits = provider(root=network)
    assert (len(splits.train), splits.val, len(splits.test)) == (4 * len(table.train_list), None, 4)
    assert np.array_equal(splits.train.images[:4].reshape(4, 3072), images(4, 0))
    assert splits.test.targets.dtype == torch.int64
    assert splits.info.classes == tuple(NAMES)
    image, label = splits.train[1]
    assert (image.shape, label) == ((3, 32, 32), 1)


def test_the_images_equal_torchvisions(published):
    provider, table, network = published
    theirs, ours = table(network, train=True), provider(root=network).train
    assert np.array_equal(theirs.data.transpose(0, 3, 1, 2), ours.images)
    assert theirs.targets == ours.labels()


def test_download_fetches_the_archive_once(published, tmp_path):
    provider, table, network = published
    provider(root=tmp_path / "data", download=True)
    (network / table.filename).unlink()
    assert len(provider(root=tmp_path / "data", download=True).test) == 4


def test_an_archive_that_was_put_into_the_folder_by_hand_is_used(published, tmp_path):
    provider, table, network = published
    (tmp_path / "data").mkdir()
    (network / table.filename).rename(tmp_path / "data" / table.filename)
    assert len(provider(root=tmp_path / "data").test) == 4


def test_missing_files_are_named_with_what_to_do(published, tmp_path):
    provider, table, _ = published
    with pytest.raises(DataError) as caught:
        provider(root=tmp_path / "data")
    message = str(caught.value)
    assert table.train_list[0][0] in message
    assert f"fetch {table.url} and put {table.filename} into {tmp_path / 'data'}" in message
    assert '"download": true' in message
    assert caught.value.exit_code == 3


def test_a_batch_that_was_changed_is_refused_before_it_is_read(published):
    provider, table, network = published
    (network / table.filename).unlink()
    write_batch(network / table.base_folder / table.test_list[0][0], seed=5)
    with pytest.raises(DataError, match=rf"{table.test_list[0][0]} is not the published file"):
        provider(root=network)


def test_another_archive_is_refused_and_not_extracted(published, tmp_path):
    provider, table, _ = published
    root = tmp_path / "data"
    root.mkdir()
    with tarfile.open(root / table.filename, "w:gz") as tar:
        tar.add(__file__, "evil.py")
    with pytest.raises(DataError, match=f"{table.filename} is not the published file"):
        provider(root=root)
    assert [path.name for path in root.iterdir()] == [table.filename]


def test_without_network_the_error_says_how_to_do_it_by_hand(published, tmp_path, monkeypatch):
    provider, table, _ = published
    monkeypatch.setattr(table, "url", "https://127.0.0.1:9/archive.tar.gz")
    with pytest.raises(DataError, match=r"Fetch https://127\.0\.0\.1:9/archive\.tar\.gz"):
        provider(root=tmp_path / "data", download=True)


def test_the_checksums_are_torchvisions(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    write_batch(folder / "data_batch_1", seed=0)
    with pytest.raises(DataError, match="data_batch_1 is not the published file"):
        cifar10(root=tmp_path)
