"""Handwritten digits, shipped inside the package."""

from __future__ import annotations

from imgfw import DatasetDescription, DatasetInfo, InMemory, Splits, about

_DESCRIPTION = DatasetDescription(task="classification", num_classes=10, channels=1, image_size=(8, 8))


@about(describe=lambda settings: _DESCRIPTION)
def digits() -> Splits:
    """1,797 handwritten digits of 8x8 pixels, shipped inside imgfw: nothing to download.

    Grey uint8 `[1, 8, 8]`; the source's values 0..16 are scaled to 0..255. The test split is fixed: every
    fifth image of each digit, 359 in all. There is no validation split; the core cuts one.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository, 1998, https://doi.org/10.24432/C50P49 (CC BY 4.0).
    """
    import torch

    table = torch.from_numpy(_read_table())
    images = torch.round(table[:, :64] * (255 / 16)).to(torch.uint8).reshape(-1, 1, 8, 8)
    labels = table[:, 64].to(torch.int64)
    is_test = torch.zeros(len(labels), dtype=torch.bool)
    for digit in range(10):
        is_test[torch.nonzero(labels == digit).flatten()[2::5]] = True
    return Splits(
        train=InMemory(images[~is_test], labels[~is_test]),
        test=InMemory(images[is_test], labels[is_test]),
        info=DatasetInfo(task="classification", classes=tuple("0123456789"), channels=1, image_size=(8, 8)),
    )


def _read_table():
    """The shipped table: 64 pixels and the digit a row."""
    import gzip
    from importlib.resources import files

    import numpy as np

    packed = files("imgfw_plugins.datasets").joinpath("data/digits.csv.gz").read_bytes()
    rows = gzip.decompress(packed).decode("ascii").splitlines()
    return np.loadtxt(rows, delimiter=",", dtype=np.float32)
