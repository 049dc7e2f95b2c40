"""Reading the batch files of CIFAR, which are pickles, without letting them run or build anything.

Every global that a batch names is replaced by a stand-in of this module that only remembers what it was
given; NumPy's own reconstruction never sees the file.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from imgfw import DataError

if TYPE_CHECKING:
    import numpy as np

PIXELS = 3 * 32 * 32
"""Values a row: the red plane, the green one, the blue one, each row by row."""


def read_batch(path: Path, labels_key: str) -> tuple[np.ndarray, list[int]]:
    """Read the images and labels of a batch file.

    Args:
        path: a file as `data_batch_1`.
        labels_key: `labels` (CIFAR-10), `fine_labels` or `coarse_labels` (CIFAR-100).

    Returns:
        images uint8 `[N, 3, 32, 32]`, and N class indices.

    Raises:
        DataError: the file is damaged, holds something else, or names anything but the array it holds.
    """
    content = _load(path)
    array, labels = content.get("data"), content.get(labels_key)
    if not isinstance(array, _Array) or not isinstance(labels, list):
        raise DataError(f"{path} has no array 'data' and list '{labels_key}': it is no CIFAR batch file.")
    if array.values.shape != (len(labels), PIXELS) or not all(isinstance(label, int) for label in labels):
        raise DataError(
            f"{path} has {len(labels)} labels for an array {list(array.values.shape)},"
            f" expected {[len(labels), PIXELS]}: the file is damaged."
        )
    return array.values.reshape(-1, 3, 32, 32), labels


def read_class_names(path: Path, key: str) -> tuple[str, ...]:
    """Read the class names from a meta file.

    Args:
        path: a file as `batches.meta`.
        key: `label_names` (CIFAR-10), `fine_label_names` or `coarse_label_names` (CIFAR-100).

    Raises:
        DataError: the file is damaged or holds something else.
    """
    names = _load(path).get(key)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{path} has no list of names '{key}': it is no CIFAR meta file.")
    return tuple(names)


def _load(path: Path) -> dict[Any, Any]:
    """Read the one dictionary that such a file holds."""
    try:
        with path.open("rb") as file:
            content = _BatchUnpickler(file, encoding="latin1").load()
    except Exception as error:  # the unpickler meets damaged files with every kind of exception
        raise DataError(
            f"{path} cannot be read as a CIFAR file: {error or type(error).__name__}.",
            "Delete it, and fetch the dataset anew.",
        ) from error
    if not isinstance(content, dict):
        raise DataError(f"{path} holds no dictionary: it is no CIFAR file.")
    return content


class _Type:
    """Stands in for `numpy.dtype`: the code it was made with."""

    def __init__(self, code: Any, *flags: Any) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        """A byte's type has no more to remember."""


class _Array:
    """Stands in for `numpy.ndarray` and for the function that makes one: an array of bytes."""

    def __init__(self, *what: Any) -> None:
        import numpy as np

        self.values = np.empty(0, np.uint8)

    def __setstate__(self, state: Any) -> None:
        import numpy as np

        _version, shape, kind, is_fortran, content = state
        if not isinstance(kind, _Type) or kind.code not in ("u1", "|u1"):
            raise pickle.UnpicklingError("its array holds values that are no bytes")
        content = content.encode("latin1") if isinstance(content, str) else content
        self.values = np.frombuffer(content, np.uint8).reshape(shape, order="F" if is_fortran else "C")


class _BatchUnpickler(pickle.Unpickler):
    """Knows the names that a CIFAR batch uses, and no other."""

    _STAND_INS: ClassVar = {
        ("numpy.core.multiarray", "_reconstruct"): _Array,
        ("numpy._core.multiarray", "_reconstruct"): _Array,
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Type,
    }

    def find_class(self, module: str, name: str) -> Any:
        stand_in = self._STAND_INS.get((module, name))
        if stand_in is None:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no such file does")
        return stand_in
