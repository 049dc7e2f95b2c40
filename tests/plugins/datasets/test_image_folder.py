"""Image files in a folder for each class."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from imgfw import BadSampleError, DataError
from imgfw_plugins.datasets import image_folder
from PIL import Image


def write(path: Path, grey: int = 0, mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (6, 4), grey).convert(mode).save(path)
    return path


def names(dataset) -> list[str]:
    return [Path(dataset.name_of(i)).name for i in range(len(dataset))]


def test_one_folder_for_each_class_is_training_data_only(tmp_path):
    write(tmp_path / "dog/b.png", 10)
    write(tmp_path / "cat/a.png", 20)
    splits = image_folder(root=tmp_path)
    assert (splits.val, splits.test) == (None, None)
    assert splits.info.classes == ("cat", "dog")
    assert splits.train.labels() == [0, 1]
    image, label = splits.train[1]
    assert (image.shape, image.unique().tolist(), label) == ((3, 4, 6), [10], 1)


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_split_folders_are_splits(tmp_path, name):
    for split, count in (("train", 3), (name, 2), ("test", 1)):
        for number in range(count):
            write(tmp_path / split / "cat" / f"{number}.png")
            write(tmp_path / split / "dog" / f"{number}.png")
    splits = image_folder(root=tmp_path)
    assert (len(splits.train), len(splits.val), len(splits.test)) == (6, 4, 2)
    assert splits.info.classes == ("cat", "dog")


def test_a_class_keeps_its_index_in_a_split_that_lacks_others(tmp_path):
    for path in ("train/ant/a.png", "train/bee/a.png", "train/cow/a.png", "val/cow/a.png"):
        write(tmp_path / path)
    assert image_folder(root=tmp_path).val.labels() == [2]


def test_a_class_that_has_no_training_folder_is_named(tmp_path):
    for path in ("train/cat/a.png", "val/cat/a.png", "val/catt/a.png"):
        write(tmp_path / path)
    with pytest.raises(DataError, match=r"val/catt is no class of the training data \(cat\)"):
        image_folder(root=tmp_path)


def test_a_training_class_without_images_is_named(tmp_path):
    write(tmp_path / "cat/a.png")
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog/readme.txt").touch()
    with pytest.raises(DataError, match=f"No images in {tmp_path / 'dog'}"):
        image_folder(root=tmp_path)


@pytest.mark.parametrize("folders", [[], ["cat"], ["train"]])
def test_a_folder_without_images_is_named(tmp_path, folders):
    for name in folders:
        (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=f"{tmp_path}.* has no images"):
        image_folder(root=tmp_path)


def test_a_missing_root_is_named(tmp_path):
    with pytest.raises(DataError, match="absent is not a folder"):
        image_folder(root=tmp_path / "absent")


def test_a_split_with_two_folders_is_refused(tmp_path):
    for path in ("train/cat/a.png", "val/cat/a.png", "valid/cat/a.png"):
        write(tmp_path / path)
    with pytest.raises(DataError, match="are both the val split"):
        image_folder(root=tmp_path)


def test_a_test_folder_without_training_data_is_not_taken_for_a_class(tmp_path):
    write(tmp_path / "test/cat/a.png")
    with pytest.raises(DataError, match=r"test exists, but .*train does not"):
        image_folder(root=tmp_path)


def test_images_are_found_at_any_depth_by_extension_in_either_case(tmp_path):
    for name in ("z.PNG", "a.Jpeg", "deep/er/m.tif"):
        write(tmp_path / "cat" / name)
    (tmp_path / "cat/notes.txt").touch()
    assert names(image_folder(root=tmp_path).train) == ["a.Jpeg", "z.PNG", "m.tif"]


def test_hidden_files_and_folders_are_passed_over(tmp_path):
    for name in ("cat/a.png", "cat/.b.png", "cat/.thumbnails/c.png", ".cache/d.png"):
        write(tmp_path / name)
    splits = image_folder(root=tmp_path)
    assert names(splits.train) == ["a.png"]
    assert splits.info.classes == ("cat",)


def test_links_are_followed_and_a_loop_of_links_ends(tmp_path):
    write(tmp_path / "elsewhere/a.png")
    (tmp_path / "root/cat").mkdir(parents=True)
    (tmp_path / "root/cat/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/loop").symlink_to(tmp_path / "elsewhere")
    assert names(image_folder(root=tmp_path / "root").train) == ["a.png"]


def test_an_unreadable_image_is_named_when_it_is_asked_for(tmp_path):
    write(tmp_path / "cat/a.png")
    (tmp_path / "cat/b.png").write_text("not an image")
    (tmp_path / "cat/c.png").symlink_to(tmp_path / "gone.png")
    train = image_folder(root=tmp_path).train
    assert train[0][1] == 0
    for index, name in ((1, "b.png"), (2, "c.png")):
        with pytest.raises(BadSampleError) as caught:
            train[index]
        assert caught.value.source == train.name_of(index) == str(tmp_path / "cat" / name)


def test_channels_says_how_images_are_read(tmp_path):
    write(tmp_path / "cat/a.png", 90, mode="RGBA")
    splits = image_folder(root=tmp_path, channels=1)
    assert splits.train[0][0].shape == (1, 4, 6)
    assert splits.info.channels == 1


def test_a_worker_can_be_sent_the_dataset(tmp_path):
    write(tmp_path / "cat/a.png", 90)
    sent = pickle.loads(pickle.dumps(image_folder(root=tmp_path).train))
    assert sent[0][0].unique().tolist() == [90]
