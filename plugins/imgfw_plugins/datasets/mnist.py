"""MNIST and Fashion-MNIST: the idx files, from wherever they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imgfw import DataError, DatasetDescription, DatasetInfo, InMemory, Splits, about

from imgfw_plugins.datasets.downloads import fetch

if TYPE_CHECKING:
    from torchvision.datasets import MNIST

_SIZE = (28, 28)
_DESCRIPTION = DatasetDescription(task="classification", num_classes=10, channels=1, image_size=_SIZE)


@about(describe=lambda settings: _DESCRIPTION)
def mnist(*, root: Path = Path("data"), download: bool = False) -> Splits:
    """MNIST: 70,000 handwritten digits of 28x28 pixels.

    Grey uint8 `[1, 28, 28]`; 60,000 training and 10,000 test images, held in memory (55 MB). There is no
    validation split; the core cuts one.

    Source: Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST Database of Handwritten Digits, 1998.

    Args:
        root: folder that holds the four idx files (`train-images-idx3-ubyte` and so on), gzipped or not, or
            that holds them in `MNIST/raw`.
        download: fetch them to `MNIST/raw` (11 MB) when they are not there; checked against their md5.

    Raises:
        DataError: a file is missing, damaged, or contradicts another.
    """
    from torchvision.datasets import MNIST

    return _load(MNIST, root, download, classes=tuple("0123456789"))


@about(describe=lambda settings: _DESCRIPTION)
def fashion_mnist(*, root: Path = Path("data"), download: bool = False) -> Splits:
    """Fashion-MNIST: 70,000 pictures of clothes of 28x28 pixels in 10 classes.

    Grey uint8 `[1, 28, 28]`; 60,000 training and 10,000 test images, held in memory (55 MB). There is no
    validation split; the core cuts one.

    Source: H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine
    Learning Algorithms, 2017, https://arxiv.org/abs/1708.07747. Debian's package `dataset-fashion-mnist`
    puts the files into `/usr/share/datasets/fashion-mnist`.

    Args:
        root: folder that holds the four idx files (`train-images-idx3-ubyte` and so on), gzipped or not, or
            that holds them in `FashionMNIST/raw`.
        download: fetch them to `FashionMNIST/raw` (31 MB) when they are not there; checked against their md5.

    Raises:
        DataError: a file is missing, damaged, or contradicts another.
    """
    from torchvision.datasets import FashionMNIST

    return _load(FashionMNIST, root, download, classes=tuple(FashionMNIST.classes))


def _load(published: type[MNIST], root: Path, download: bool, classes: tuple[str, ...]) -> Splits:
    """Find the files, in the order of torchvision's table, and read them."""
    train_images, train_labels, test_images, test_labels = [
        _find(published, name, md5, root, download) for name, md5 in published.resources
    ]
    return Splits(
        train=_read(train_images, train_labels),
        test=_read(test_images, test_labels),
        info=DatasetInfo(task="classification", classes=classes, channels=1, image_size=_SIZE),
    )


def _find(published: type[MNIST], packed_name: str, md5: str, root: Path, download: bool) -> Path:
    """Where one of the files is; fetched when it is nowhere and that is asked for.

    Raises:
        DataError: it is nowhere, with what to do.
    """
    name = packed_name.removesuffix(".gz")
    raw = root / published.__name__ / "raw"
    for folder in (raw, root):
        for path in (folder / name, folder / packed_name):
            if path.is_file():
                return path
    urls = [f"{_over_https(mirror)}{packed_name}" for mirror in published.mirrors]
    if not download:
        raise DataError(
            f"{root} holds neither {name} nor {packed_name} (nor does {raw}).",
            f'Set "download": true, or fetch {urls[0]} and put it into {root}.',
        )
    fetch(urls, raw / packed_name, f"md5:{md5}")
    return raw / packed_name


def _over_https(mirror: str) -> str:
    """A mirror's address over https. What S3 serves as a website over http only, it serves so as files."""
    return mirror.replace("http:", "https:", 1).replace(".s3-website.", ".s3.", 1)


def _read(images_path: Path, labels_path: Path) -> InMemory:
    """Read the images and labels of one split.

    Raises:
        DataError: the files contradict each other or the dataset.
    """
    import torch

    from imgfw_plugins.datasets.idx import read_idx

    images, labels = read_idx(images_path, ndim=3), read_idx(labels_path, ndim=1)
    if images.shape[1:] != _SIZE:
        height, width = images.shape[1:]
        raise DataError(f"{images_path} holds images of {height}x{width} pixels, expected 28x28.")
    if len(images) != len(labels):
        raise DataError(f"{images_path} holds {len(images)} images, but {labels_path} {len(labels)} labels.")
    return InMemory(torch.from_numpy(images)[:, None], torch.from_numpy(labels).to(torch.int64))
