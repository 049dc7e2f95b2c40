"""Hugging Face datasets of images and classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from imgfw import DataError, DatasetDescription, DatasetInfo, Splits, about

from imgfw_plugin_hf.source import check_source, one_line, unreachable

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

_VAL_NAMES = ("validation", "valid", "val", "dev")
_TEST_NAMES = ("test",)


@about(
    example={"path": "ylecun/mnist", "channels": 1},
    describe=lambda settings: DatasetDescription(task="classification", channels=settings.channels),
)
def hf_dataset(
    *,
    path: str | None = None,
    folder: Path | None = None,
    name: str | None = None,
    revision: str | None = None,
    image_column: str = "image",
    label_column: str = "label",
    train_split: str = "train",
    val_split: str | None = "auto",
    test_split: str | None = "auto",
    channels: Literal[1, 3] = 3,
) -> Splits:
    """Images and classes of a Hugging Face dataset, from the Hub or a folder.

    Images are uint8 `[channels, height, width]`, as `imgfw.read_image` reads them, and are decoded when they
    are needed. The classes are those of a `ClassLabel` column; of a column of strings they are the sorted
    values of the training split, and of integers 0 to K - 1 the numbers.

    Args:
        path: the dataset on the Hub, as `ylecun/mnist`. It is downloaded once, into Hugging Face's cache.
        folder: a local dataset instead: what `save_to_disk` wrote, or files that `datasets.load_dataset`
            knows, as images in a folder for each class, or Parquet.
        name: the configuration, where a dataset has several.
        revision: the branch, tag or commit of the Hub's repository; null: the newest.
        image_column: the column of the images.
        label_column: the column of the classes.
        train_split: the split to train on.
        val_split: the split to validate on; `auto`: the one called validation, valid, val or dev, if its
            classes are known; null: none, so that the core cuts one from the training split.
        test_split: the split to test on; `auto`: the one called test, if its classes are known; null: none.
        channels: 3 for RGB, 1 for grey.

    Raises:
        ValueError: for settings that the dataset does not have.
        imgfw.DataError: the dataset cannot be had, or a column holds something else.
        imgfw.BadSampleError: an image cannot be read; raised when it is asked for.
    """
    from imgfw_plugin_hf.labels import Labels
    from imgfw_plugin_hf.rows import LabelledRows

    source = check_source(path, folder)
    found = load_splits(source, folder, name, revision)
    chosen = {
        "train": _split(found, "train_split", train_split),
        "val": _chosen(found, "val_split", val_split, _VAL_NAMES, label_column),
        "test": _chosen(found, "test_split", test_split, _TEST_NAMES, label_column),
    }
    labels = Labels(found[train_split], label_column, f"{source}, split {train_split}")
    rows = {
        part: LabelledRows(
            found[split], image_column, labels.of(found[split], f"{source}, split {split}"), channels,
            f"{source}, split {split}",
        )
        for part, split in chosen.items()
        if split is not None
    }  # fmt: skip
    info = DatasetInfo(task="classification", classes=labels.classes, channels=channels)
    return Splits(train=rows["train"], val=rows.get("val"), test=rows.get("test"), info=info)


def load_splits(source: str, folder: Path | None, name: str | None, revision: str | None) -> DatasetDict:
    """Load all splits of a dataset, by their names.

    Raises:
        ValueError: there is no such configuration.
        imgfw.DataError: the dataset cannot be had or read.
    """
    import sys

    import datasets
    from datasets.exceptions import DatasetNotFoundError

    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        if folder is not None and _is_saved(folder):
            loaded: Dataset | DatasetDict = datasets.load_from_disk(source)
        else:
            loaded = datasets.load_dataset(source, name, revision=revision)
    except ValueError as error:
        raise ValueError(f"{source}: {one_line(error)}") from error
    except (ConnectionError, DatasetNotFoundError) as error:
        raise unreachable("The dataset", source, error) from error
    except Exception as error:  # readers of many formats meet damaged files with every kind of exception
        raise DataError(f"The dataset {source} cannot be read: {one_line(error)}.") from error
    return loaded if isinstance(loaded, dict) else datasets.DatasetDict({"train": loaded})


def _is_saved(folder: Path) -> bool:
    """Whether a folder was written by `save_to_disk`."""
    return (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()


def _split(found: DatasetDict, setting: str, name: str) -> str:
    """A split's name, if there is such a split.

    Raises:
        ValueError: there isn't.
    """
    if name not in found:
        raise ValueError(f'{setting}: there is no split "{name}"; there are {", ".join(found)}')
    return name


def _chosen(
    found: DatasetDict, setting: str, name: str | None, names: tuple[str, ...], label_column: str
) -> str | None:
    """The split that a setting names; for `auto` the one with a usual name whose labels are known."""
    if name is None:
        return None
    if name != "auto":
        return _split(found, setting, name)
    present = [each for each in names if each in found and label_column in found[each].column_names]
    return next((each for each in present if _has_labels(found[each], label_column)), None)


def _has_labels(dataset: Dataset, label_column: str) -> bool:
    """Whether any row has a label: test splits whose labels are kept secret have -1 everywhere."""
    return any(label not in (None, -1) for label in dataset.with_format(None)[label_column])
