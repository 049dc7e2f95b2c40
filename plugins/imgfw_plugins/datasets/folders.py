"""Finding splits and images in folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from imgfw import DataError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
"""What marks a file as an image, in lower case."""

_SPLIT_NAMES = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}


def find_splits(root: Path) -> dict[str, Path]:
    """The folders of the splits: `train`, and `val` and `test` where they exist; else the root as `train`.

    Raises:
        DataError: the root is missing, a split has two folders, or there is one for `val` or `test` only.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder.", 'Set "root" to the folder that holds the images.')
    splits = {}
    for split, names in _SPLIT_NAMES.items():
        found = [root / name for name in names if (root / name).is_dir()]
        if len(found) > 1:
            raise DataError(f"{found[0]} and {found[1]} are both the {split} split.", "Keep one of them.")
        if found:
            splits[split] = found[0]
    if splits and "train" not in splits:
        present = next(iter(splits.values()))
        raise DataError(f"{present} exists, but {root / 'train'} does not.", "Add the training data.")
    return splits or {"train": root}


def name_all(paths: Sequence[Path]) -> str:
    """The names of the first ten paths, and the number of the others."""
    more = f" and {len(paths) - 10} more" if len(paths) > 10 else ""
    return ", ".join(map(str, paths[:10])) + more


def list_folders(folder: Path) -> list[str]:
    """The names of the folders in a folder, sorted; hidden ones left out."""
    return sorted(item.name for item in folder.iterdir() if item.is_dir() and not item.name.startswith("."))


def find_images(folder: Path) -> list[Path]:
    """The image files below a folder, sorted; hidden ones left out, links followed, loops entered once."""
    found: list[Path] = []
    entered: set[str] = set()
    for where, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(where)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            Path(where, name)
            for name in sorted(files)
            if name.lower().endswith(EXTENSIONS) and not name.startswith(".")
        ]
    return found
