"""The rows of a Hugging Face dataset as samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imgfw import BadSampleError, DataError

if TYPE_CHECKING:
    from datasets import Dataset
    from torchvision.tv_tensors import Image


class LabelledRows:
    """Images of one column and their class indices; a map-style dataset.

    The images are read by imgfw from what the column holds, so that they mean the same as those of files.

    Args:
        dataset: the split.
        column: the column of the images.
        targets: the class index of each row.
        channels: channels to read.
        where: what names the split, for messages.

    Raises:
        imgfw.DataError: there is no such column, or it holds no images.
    """

    def __init__(
        self, dataset: Dataset, column: str, targets: Sequence[int], channels: int, where: str
    ) -> None:
        from datasets import Image

        if not isinstance(dataset.features.get(column), Image):
            images = [name for name, feature in dataset.features.items() if isinstance(feature, Image)]
            raise DataError(
                f"{where} has no column {column} of images; of images are: {', '.join(images) or 'none'}.",
                "Set image_column, or convert it: dataset.cast_column(..., datasets.Image()).",
            )
        encoded = dataset.with_format(None).select_columns([column])
        self._rows = encoded.cast_column(column, Image(decode=False))
        self._column = column
        self._targets = targets
        self._channels = channels
        self._where = where

    def __len__(self) -> int:
        return len(self._targets)

    def __getitem__(self, index: int) -> tuple[Image, int]:
        from imgfw import read_image

        held = self._rows[index][self._column]
        content = (held or {}).get("bytes") or (held or {}).get("path")
        if content is None:
            raise BadSampleError(self.name_of(index), "has no image")
        return read_image(content, self._channels, name=self.name_of(index)), self._targets[index]

    def labels(self) -> Sequence[int]:
        """The class index of each row."""
        return self._targets

    def name_of(self, index: int) -> str:
        """The split and the row, from 0."""
        return f"{self._where}, row {index}"
