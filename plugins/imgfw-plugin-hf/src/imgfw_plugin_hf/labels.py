"""From a column of classes to class indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from imgfw import DataError

if TYPE_CHECKING:
    from datasets import Dataset

UNKNOWN = -1
"""The index of a row without a label; the check of targets finds it."""


class Labels:
    """The classes of a dataset, by its training split.

    Args:
        train: the training split.
        column: the column of the classes.
        where: what names the split, for messages.

    Attributes:
        classes: their names.

    Raises:
        imgfw.DataError: there is no such column, or it holds no classes.
    """

    def __init__(self, train: Dataset, column: str, where: str) -> None:
        self._column = column
        self.classes = _classes(train, column, where)
        self._indices: dict[Any, int] = {name: index for index, name in enumerate(self.classes)}

    def of(self, dataset: Dataset, where: str) -> Sequence[int]:
        """The class index of every row of a split.

        Raises:
            imgfw.DataError: the split has no such column, or strings that are no training class.
        """
        _check_column(dataset, self._column, where)
        values = dataset.with_format(None)[self._column][:]
        if not any(isinstance(value, str) for value in values):
            return [UNKNOWN if value is None else int(value) for value in values]
        strange = next((value for value in values if value not in self._indices and value is not None), None)
        if strange is not None:
            raise DataError(
                f'{where}: "{strange}" in the column {self._column} is no class of the training split '
                f"({', '.join(self.classes)})."
            )
        return [self._indices.get(value, UNKNOWN) for value in values]


def _check_column(dataset: Dataset, column: str, where: str) -> None:
    if column not in dataset.column_names:
        raise DataError(
            f"{where} has no column {column}; there are {', '.join(dataset.column_names)}.",
            "Set label_column.",
        )


def _classes(train: Dataset, column: str, where: str) -> tuple[str, ...]:
    from datasets import ClassLabel, Value

    _check_column(train, column, where)
    feature = train.features[column]
    if isinstance(feature, ClassLabel):
        return tuple(feature.names)
    if isinstance(feature, Value):
        known = sorted(set(train.with_format(None)[column]) - {None, UNKNOWN})
        if feature.dtype in ("string", "large_string"):
            return tuple(known)
        if "int" in feature.dtype and known == list(range(len(known))):
            return tuple(map(str, known))
    raise DataError(
        f"{where}: the column {column} ({feature}) holds no class for each row: ClassLabel, strings, or "
        "integers 0 to K - 1.",
        "Set label_column, or convert it: dataset.class_encode_column(...).save_to_disk(...).",
    )
