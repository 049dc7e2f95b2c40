"""CIFAR-10 and CIFAR-100: the published files, checked and read without unpickling them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imgfw import DataError, DatasetDescription, DatasetInfo, InMemory, Splits, about

from imgfw_plugins.datasets.downloads import fetch, unpack

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10


def _description(num_classes: int) -> DatasetDescription:
    return DatasetDescription(task="classification", num_classes=num_classes, channels=3, image_size=(32, 32))


@about(describe=lambda settings: _description(10))
def cifar10(*, root: Path = Path("data"), download: bool = False) -> Splits:
    """CIFAR-10: 60,000 colour photographs of 32x32 pixels in 10 classes.

    RGB uint8 `[3, 32, 32]`; 50,000 training and 10,000 test images, held in memory (180 MB). There is no
    validation split; the core cuts one. Every file is checked against its md5.

    Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009,
    https://www.cs.toronto.edu/~kriz/cifar.html

    Args:
        root: folder that holds `cifar-10-batches-py`, or the published archive `cifar-10-python.tar.gz`.
        download: fetch the archive (170 MB) when the files are not there.

    Raises:
        DataError: a file is missing, or is not the published one.
    """
    from torchvision.datasets import CIFAR10

    return _load(CIFAR10, root, download, labels_key="labels")


@about(describe=lambda settings: _description(100))
def cifar100(*, root: Path = Path("data"), download: bool = False) -> Splits:
    """CIFAR-100: 60,000 colour photographs of 32x32 pixels in 100 classes.

    RGB uint8 `[3, 32, 32]`; 50,000 training and 10,000 test images with their fine labels, held in memory
    (180 MB). There is no validation split; the core cuts one. Every file is checked against its md5.

    Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009,
    https://www.cs.toronto.edu/~kriz/cifar.html

    Args:
        root: folder that holds `cifar-100-python`, or the published archive `cifar-100-python.tar.gz`.
        download: fetch the archive (170 MB) when the files are not there.

    Raises:
        DataError: a file is missing, or is not the published one.
    """
    from torchvision.datasets import CIFAR100

    return _load(CIFAR100, root, download, labels_key="fine_labels")


def _load(published: type[CIFAR10], root: Path, download: bool, labels_key: str) -> Splits:
    """Make sure of the files, then read them."""
    from imgfw_plugins.datasets.cifar_batches import read_class_names

    folder = root / published.base_folder
    _provide(published, root, download)
    return Splits(
        train=_read([folder / name for name, _ in published.train_list], labels_key),
        test=_read([folder / name for name, _ in published.test_list], labels_key),
        info=DatasetInfo(
            task="classification",
            classes=read_class_names(folder / published.meta["filename"], published.meta["key"]),
            channels=3,
            image_size=(32, 32),
        ),
    )


def _read(paths: list[Path], labels_key: str) -> InMemory:
    """Read batch files into one tensor."""
    import numpy as np
    import torch

    from imgfw_plugins.datasets.cifar_batches import read_batch

    batches = [read_batch(path, labels_key) for path in paths]
    images = np.concatenate([images for images, _ in batches])
    labels = [label for _, labels in batches for label in labels]
    return InMemory(torch.from_numpy(images), torch.tensor(labels))


def _provide(published: type[CIFAR10], root: Path, download: bool) -> None:
    """Make sure that the published files are in their folder: extract the archive, download it if asked.

    Raises:
        DataError: they are not, with what to do.
    """
    from torchvision.datasets.utils import check_integrity

    if _wrong_file(published, root) is None:
        return
    archive = root / published.filename
    if download and not check_integrity(archive, published.tgz_md5):
        fetch([published.url], archive, f"md5:{published.tgz_md5}")
    if archive.is_file():
        _unpack(published, archive)
    wrong = _wrong_file(published, root)
    if wrong is not None:
        state = "is not the published file (its md5 differs)" if wrong.exists() else "does not exist"
        raise DataError(
            f"{wrong} {state}.",
            f'Set "download": true, or fetch {published.url} and put {published.filename} into {root}.',
        )


def _files(published: type[CIFAR10]) -> list[tuple[str, str]]:
    """The names of the files in their folder, and the md5 of each."""
    meta = (published.meta["filename"], published.meta["md5"])
    return [*published.train_list, *published.test_list, meta]


def _wrong_file(published: type[CIFAR10], root: Path) -> Path | None:
    """The first of the files that is missing or differs from the published one."""
    from torchvision.datasets.utils import check_integrity

    for name, md5 in _files(published):
        path = root / published.base_folder / name
        if not check_integrity(path, md5):
            return path
    return None


def _unpack(published: type[CIFAR10], archive: Path) -> None:
    """Unpack the published archive beside itself.

    Raises:
        DataError: it is another file.
    """
    from torchvision.datasets.utils import check_integrity

    if not check_integrity(archive, published.tgz_md5):
        raise DataError(
            f"{archive} is not the published file (its md5 differs).",
            "Delete it, and fetch it anew.",
        )
    unpack(archive, [f"{published.base_folder}/{name}" for name, _ in _files(published)], archive.parent)
