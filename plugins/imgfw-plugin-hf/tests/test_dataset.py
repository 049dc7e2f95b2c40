"""Hugging Face datasets: local ones, and those of the Hub that cannot be had."""

from __future__ import annotations

import io

import datasets
import imgfw
import numpy as np
import pytest
import torch
from imgfw_plugin_hf.dataset import hf_dataset
from PIL import Image

from .conftest import COLOURS, FEATURES, picture, rows


@pytest.fixture
def save(tmp_path):
    """Writes a dataset, or several splits; returns the folder."""

    def write(features: datasets.Features | None = FEATURES, **splits: dict) -> object:
        made = {name: datasets.Dataset.from_dict(data, features=features) for name, data in splits.items()}
        datasets.DatasetDict(made).save_to_disk(tmp_path / "data")
        return tmp_path / "data"

    return write


def test_a_saved_dataset_is_its_splits_with_their_classes(saved):
    splits = hf_dataset(folder=saved)
    assert (len(splits.train), len(splits.val), len(splits.test)) == (24, 6, 6)
    assert (splits.info.task, splits.info.classes) == ("classification", tuple(COLOURS))
    assert list(splits.val.labels()) == [0, 1, 2, 0, 1, 2]
    image, label = splits.train[4]
    assert label == 1
    assert torch.equal(image, torch.from_numpy(np.array(picture("green", 4))).permute(2, 0, 1))


def test_a_single_saved_dataset_is_the_training_split(tmp_path):
    datasets.Dataset.from_dict(rows(6), features=FEATURES).save_to_disk(tmp_path / "one")
    splits = hf_dataset(folder=tmp_path / "one")
    assert len(splits.train) == 6
    assert splits.val is splits.test is None


def test_a_folder_of_image_files_is_a_dataset_and_is_left_as_it_is(tmp_path):
    for split in ("train", "test"):
        for number, colour in enumerate(COLOURS):
            (tmp_path / split / colour).mkdir(parents=True)
            picture(colour, number).save(tmp_path / split / colour / "1.png")
    before = sorted(tmp_path.rglob("*"))
    splits = hf_dataset(folder=tmp_path)
    assert splits.info.classes == ("blue", "green", "red")
    image, label = splits.test[0]
    path = tmp_path / "test" / splits.info.classes[label] / "1.png"
    assert torch.equal(image, imgfw.read_image(path))
    assert sorted(tmp_path.rglob("*")) == before


def test_strings_are_classes_in_the_order_of_the_alphabet(save):
    folder = save(None, train=rows(6, label=str), test={**rows(2), "label": ["blue", "red"]})
    splits = hf_dataset(folder=folder)
    assert splits.info.classes == ("blue", "green", "red")
    assert list(splits.test.labels()) == [0, 2]


def test_a_string_that_is_no_training_class_is_refused(save):
    folder = save(None, train=rows(6, label=str), test=rows(3, label=lambda colour: colour[::-1]))
    with pytest.raises(imgfw.DataError, match=r'split test: "der" in the column label is no class'):
        hf_dataset(folder=folder)


def test_integers_from_0_on_are_classes(save):
    assert hf_dataset(folder=save(None, train=rows(6))).info.classes == ("0", "1", "2")


@pytest.mark.parametrize("label", [len, lambda colour: [0, 1], lambda colour: 0.5])
def test_a_column_without_classes_is_refused(save, label):
    with pytest.raises(imgfw.DataError, match=r"the column label \(.*\) holds no class for each row"):
        hf_dataset(folder=save(None, train=rows(6, label=label)))


def test_grey_is_one_channel(saved):
    splits = hf_dataset(folder=saved, channels=1)
    assert (splits.info.channels, splits.train[0][0].shape) == (1, (1, 16, 16))


def test_splits_are_chosen_by_name(saved):
    splits = hf_dataset(folder=saved, train_split="test", val_split=None, test_split="train")
    assert (len(splits.train), splits.val, len(splits.test)) == (6, None, 24)


def test_auto_passes_over_a_split_without_labels(save):
    folder = save(train=rows(6), test=rows(3, label=lambda colour: -1))
    assert hf_dataset(folder=folder).test is None


def test_a_row_without_a_label_is_found_by_the_run(save, imgfw_run):
    columns = rows(24)
    columns["label"][5] = None
    recipe = {
        "data": {"type": "hf_dataset", "folder": str(save(train=columns, validation=rows(6)))},
        "model": {"type": "resnet9", "width": 4},
        "loader": {"batch_size": 4, "num_workers": 0},
        "train": {"epochs": 1},
    }
    outcome = imgfw_run(recipe)
    assert outcome.exit_code == 3
    assert "split train, row 5" in outcome.output
    assert imgfw_run(recipe, bad_data="skip").exit_code == 0


def test_an_image_that_cannot_be_read_is_named_by_its_row(save):
    stream = io.BytesIO()
    Image.new("RGB", (9, 9)).save(stream, "PNG")
    images = [{"bytes": stream.getvalue(), "path": None}, {"bytes": b"damaged", "path": "b.png"}, None]
    rows_of = hf_dataset(folder=save(train={"image": images, "label": [0, 1, 2]})).train
    assert rows_of[0][0].shape == (3, 9, 9)
    with pytest.raises(imgfw.BadSampleError, match=r"data, split train, row 1: is no image"):
        rows_of[1]
    with pytest.raises(imgfw.BadSampleError, match=r"data, split train, row 2: has no image"):
        rows_of[2]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (
            {"train_split": "training"},
            ValueError,
            'train_split: there is no split "training"; there are train',
        ),
        ({"val_split": "vall"}, ValueError, 'val_split: there is no split "vall"'),
        (
            {"path": "someone/colours"},
            ValueError,
            'give "path", the name of a repository on the Hub, or "folder"',
        ),
        ({"image_column": "picture"}, imgfw.DataError, "no column picture of images; of images are: image"),
        ({"image_column": "label"}, imgfw.DataError, "no column label of images"),
        (
            {"label_column": "labels"},
            imgfw.DataError,
            "no column labels; there are image, label. Set label_column",
        ),
    ],
)
def test_a_setting_that_the_dataset_does_not_have_is_refused(saved, settings, error, message):
    with pytest.raises(error, match=message):
        hf_dataset(folder=saved, **settings)


def test_a_folder_that_is_missing_or_holds_no_dataset_is_refused(tmp_path):
    with pytest.raises(imgfw.DataError, match="is not a folder"):
        hf_dataset(folder=tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(imgfw.DataError, match=r"empty cannot be read: .*any data file"):
        hf_dataset(folder=tmp_path / "empty")


def test_a_dataset_of_the_hub_needs_the_network_or_the_cache():
    with pytest.raises(imgfw.DataError, match=r'nobody/nothing cannot be had .*"folder" names a local copy'):
        hf_dataset(path="nobody/nothing")


def test_a_damaged_dataset_is_refused(saved, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "dataset_dict.json").write_text("{")
    with pytest.raises((imgfw.DataError, ValueError), match="broken"):
        hf_dataset(folder=tmp_path / "broken")


def test_rows_are_read_in_worker_processes(saved, imgfw_run):
    recipe = {
        "data": {"type": "hf_dataset", "folder": str(saved)},
        "model": {"type": "resnet9", "width": 4},
        "loader": {"batch_size": 8, "num_workers": 2},
        "train": {"epochs": 2},
    }
    outcome = imgfw_run(recipe)
    alone = imgfw_run(recipe, loader={"num_workers": 0})
    assert outcome.exit_code == 0, outcome.output
    assert outcome.metrics == alone.metrics
