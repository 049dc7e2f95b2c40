"""Kept images change nothing but the time."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from imgfw import InterruptedRun, RecipeError, UsageError
from imgfw.engine import runs
from imgfw.engine.input import cache_files, caching
from imgfw.engine.input.splits import BadSample
from PIL import Image

from tests.core.engine.conftest import CLASSIFICATION, SEGMENTATION, fingerprint

RESIZED: dict[str, Any] = {
    "name": "cached",
    "data": "image_folder",
    "split": {"val_fraction": 0.2, "test_fraction": 0.2},
    "model": {"type": "resnet9", "width": 8},
    "transforms": {
        "train": [
            {"type": "resize", "size": [24, 20]},
            {"type": "random_resized_crop", "size": 16},
            "random_horizontal_flip",
            {"type": "normalize", "stats": "measured"},
            {"type": "mixup", "alpha": 0.2},
        ],
        "eval": [{"type": "resize", "size": 20}, {"type": "center_crop", "size": 16}, "normalize"],
    },
    "train": {"epochs": 2, "device": "cpu"},
    "loader": {"batch_size": 8, "num_workers": 0},
}


@pytest.fixture
def root(tmp_path):
    """JPEGs of several sizes, some large enough to be decoded smaller."""
    generator = np.random.default_rng(0)
    for number in range(30):
        path = tmp_path / "photos" / f"class{number % 3}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        small = generator.integers(0, 256, (4, 5, 3), dtype=np.uint8)
        size = (60 + 240 * (number % 2), 260 + number)
        Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(path)
    return tmp_path / "photos"


@pytest.fixture
def recipe(root):
    return {**RESIZED, "data": {"type": "image_folder", "root": str(root)}}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("IMGFW_CACHE", str(folder))
    return folder


def kept(folder):
    return sorted(folder.glob("*.images"))


def test_kept_images_change_not_one_bit_of_a_run(train, recipe, cache):
    plain = fingerprint(train(recipe, "plain").folder)
    for where in ("ram", "disk", "disk"):
        for workers in (0, 2):
            changes = {"loader.cache": where, "loader.num_workers": workers}
            assert fingerprint(train(recipe, "cached", changes).folder) == plain, changes
    assert len(kept(cache)) == 3
    assert not list(cache.glob("*.part"))


def test_transforms_that_stay_on_samples_do_so_with_kept_images(train, recipe, cache, root):
    transforms = [{"type": "resize", "size": 30}, {"type": "center_crop", "size": 24}]
    transforms += [{"type": "random_rotation", "degrees": 20}, "normalize"]
    changes = {"transforms.train": transforms, "train.epochs": 1}
    plain = fingerprint(train(recipe, "plain", changes).folder)
    assert fingerprint(train(recipe, "cached", {**changes, "loader.cache": "ram"}).folder) == plain


def test_bad_samples_are_left_out_alike(train, recipe, cache, root):
    (root / "class1" / "4.jpg").write_bytes(b"no image")
    (root / "class0" / "9.jpg").write_bytes(b"")
    changes = {"bad_data": "skip", "train.epochs": 1}
    plain = train(recipe, "plain", changes)
    for where in ("ram", "disk", "disk"):
        cached = train(recipe, "cached", {**changes, "loader.cache": where})
        assert fingerprint(cached.folder) == fingerprint(plain.folder)
        lists = [(run.folder / "quarantine.csv").read_text() for run in (plain, cached)]
        assert sorted(lists[0].splitlines()) == sorted(lists[1].splitlines())


def test_a_later_run_reads_the_files_and_no_image(train, recipe, cache, monkeypatch):
    changes = {"loader.cache": "disk", "train.epochs": 1}
    train(recipe, "first", changes)
    monkeypatch.setattr(caching._Making, "__iter__", None)
    train(recipe, "second", changes)
    with pytest.raises(TypeError):
        train(recipe, "third", {**changes, "transforms.eval": [{"type": "resize", "size": [16, 16]}]})


@pytest.mark.parametrize("change", ["content", "label", "setting"])
def test_whatever_kept_images_depend_on_makes_new_ones(train, recipe, cache, root, change):
    changes: dict[str, Any] = {"loader.cache": "disk", "train.epochs": 1}
    train(recipe, "first", changes)
    first = set(kept(cache))
    if change == "content":
        for path in root.rglob("*.jpg"):
            os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    elif change == "label":
        (root / "class0").rename(root / "class9")
    else:
        changes["transforms.train"] = [{"type": "resize", "size": [16, 16]}]
        changes["transforms.eval"] = [{"type": "resize", "size": [17, 16]}]
    train(recipe, "second", changes)
    assert not first & (set(kept(cache)) - first) and len(kept(cache)) == 6


@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied"])
def test_a_damaged_file_is_found_and_made_again(train, recipe, cache, damage, capsys):
    changes = {"loader.cache": "disk", "train.epochs": 1}
    first = fingerprint(train(recipe, "first", changes).folder)
    sound = {path: path.read_bytes() for path in kept(cache)}
    for path, content in sound.items():
        changed = bytearray(content)
        changed[100] ^= 1
        path.write_bytes({"flipped": bytes(changed), "cut": content[:-50], "emptied": b""}[damage])
    assert fingerprint(train(recipe, "second", changes).folder) == first
    assert {path: path.read_bytes() for path in kept(cache)} == sound
    said = []
    path = cache / "a.images"
    path.write_bytes(b"damaged")
    cache_files.open_or_write(path, Source(), None, said.append)
    assert said == [f"The cache file {path} is damaged; it is made again."]


class Source:
    """Three batches of numbers, as images to keep."""

    def __init__(self, fails=None):
        self.shape, self.bad = (6, 2, 2, 1), [BadSample("train", 3, "a.jpg", "is empty")]
        self.made, self._fails = 0, fails

    def __iter__(self):
        for number in range(3):
            if number and self._fails:
                self._fails()
            self.made += 1
            yield torch.full((2, 2, 2, 1), number, dtype=torch.uint8)


def silent(text):
    raise AssertionError(text)


def test_a_file_holds_what_was_put_in_and_travels_to_workers_as_its_name(tmp_path):
    path = tmp_path / "folder" / "a.images"
    written = cache_files.open_or_write(path, Source(), None, silent)
    again = Source()
    found = cache_files.open_or_write(path, again, None, silent)
    assert again.made == 0
    for file in (written, found, pickle.loads(pickle.dumps(found))):
        assert file.pixels()[:, 0, 0, 0].tolist() == [0, 0, 1, 1, 2, 2]
        assert file.bad == [(3, "a.jpg", "is empty")]
    found.pixels()[0] = 7  # a run cannot change the file
    assert cache_files.open_or_write(path, Source(), None, silent).pixels()[0].sum() == 0
    assert len(pickle.dumps(found)) < 1000


def test_an_interrupted_making_leaves_nothing(tmp_path):
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache_files.open_or_write(tmp_path / "a.images", Source(interrupt), None, silent)
    assert not list(tmp_path.iterdir())


def test_who_waited_for_a_file_that_was_given_up_makes_one_with_its_name(tmp_path):
    path, began = tmp_path / "a.images", threading.Event()
    made = []

    def make():
        began.set()
        made.append(cache_files.open_or_write(path, Source(), None, silent).pixels().sum())

    other = threading.Thread(target=make)
    with cache_files._alone(path.with_suffix(".part")):
        other.start()
        began.wait()
        time.sleep(0.2)  # it waits at the lock now; if it does not yet, it passes all the same
    other.join()
    assert made == [24]
    assert list(tmp_path.iterdir()) == [path]


def _killed(path):
    cache_files.open_or_write(path, Source(lambda: os.kill(os.getpid(), signal.SIGKILL)), None, silent)


def test_what_a_killed_process_left_is_made_again(tmp_path):
    path = tmp_path / "a.images"
    process = multiprocessing.get_context("fork").Process(target=_killed, args=(path,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL and path.with_suffix(".part").exists()
    assert cache_files.open_or_write(path, Source(), None, silent).pixels().sum() == 24
    assert list(tmp_path.iterdir()) == [path]


def _made_count(path, start, counts):
    start.wait()
    source = Source()
    file = cache_files.open_or_write(path, source, None, silent)
    counts.put((source.made, int(file.pixels().sum())))


def test_processes_that_want_the_same_file_make_it_once(tmp_path):
    context = multiprocessing.get_context("fork")
    start, counts = context.Barrier(4), context.Queue()
    arguments = (tmp_path / "a.images", start, counts)
    processes = [context.Process(target=_made_count, args=arguments) for _ in range(4)]
    for process in processes:
        process.start()
    found = [counts.get() for _ in processes]
    for process in processes:
        process.join()
    assert sorted(found) == [(0, 24), (0, 24), (0, 24), (3, 24)]
    assert [path.name for path in tmp_path.iterdir()] == ["a.images"]


def test_files_unused_for_longest_make_room(tmp_path):
    size = cache_files.open_or_write(tmp_path / "old.images", Source(), None, silent).path.stat().st_size
    cache_files.open_or_write(tmp_path / "new.images", Source(), None, silent)
    os.utime(tmp_path / "new.images", ns=(0, 0))
    cache_files.open_or_write(tmp_path / "third.images", Source(), 2 * size, silent)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.images", "third.images"]


def test_no_file_is_removed_that_a_run_works_with(tmp_path):
    first = cache_files.open_or_write(tmp_path / "first.images", Source(), None, silent)
    room = (tmp_path / "first.images").stat().st_size + 1
    with pytest.raises(UsageError, match=r"beside those in use the files in .* may take"):
        cache_files.open_or_write(tmp_path / "second.images", Source(), room, silent)
    assert [path.name for path in tmp_path.iterdir()] == ["first.images"]
    assert first.pixels().sum() == 24
    del first
    cache_files.open_or_write(tmp_path / "second.images", Source(), room, silent)
    assert [path.name for path in tmp_path.iterdir()] == ["second.images"]


def test_images_that_take_more_than_the_limit_are_refused_before_any_is_kept(train, recipe, cache):
    for where in ("ram", "disk"):
        with pytest.raises(UsageError, match=r"take \d+(\.\d+)? KiB, but .* may take 107 B"):
            train(recipe, "runs", {"loader.cache": where, "loader.cache_gib": 1e-7})
    assert not cache.exists()


@pytest.mark.parametrize("within", ["", "cache"])
def test_a_file_in_the_place_of_the_folder_is_named(train, recipe, tmp_path, within):
    file = tmp_path / "file"
    file.write_text("")
    changes = {"loader.cache": "disk", "loader.cache_dir": str(file / within)}
    with pytest.raises(UsageError) as raised:
        train(recipe, "runs", changes)
    assert raised.value.message.endswith(f"{file / within}, cannot be made: {file} is a file.")
    assert "loader.cache_dir" in raised.value.hint


def _opened_by_nobody(folder, connection):
    """Open a file, and try to make another, as a user who may read the folder only."""
    os.chdir(folder)
    os.setuid(NOBODY)
    source = Source()
    found = cache_files.open_or_write(Path("a.images"), source, None, silent)
    try:
        cache_files.open_or_write(Path("b.images"), Source(), None, silent)
    except UsageError as error:
        connection.send((source.made, int(found.pixels().sum()), str(error)))


NOBODY = 65534


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who may not write")
def test_files_in_a_folder_that_is_read_only_are_used(tmp_path):
    cache_files.open_or_write(tmp_path / "a.images", Source(), None, silent)
    (tmp_path / "a.images").chmod(0o444)
    tmp_path.chmod(0o555)
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_opened_by_nobody, args=(tmp_path, sender))
    process.start()
    process.join()
    assert process.exitcode == 0
    made, total, said = receiver.recv()
    assert (made, total) == (0, 24)
    assert "b.images cannot be made: Permission denied." in said


def test_images_of_several_sizes_are_refused_with_a_way_out(train, recipe):
    changes = {"loader.cache": "ram", "transforms.train": [{"type": "random_resized_crop", "size": 16}]}
    with pytest.raises(UsageError, match="images of one size") as raised:
        train(recipe, "runs", changes)
    assert '"resize"' in raised.value.hint
    assert "transforms.warp" not in raised.value.hint


def test_a_resize_that_opencv_joins_with_random_transforms_keeps_nothing(train, recipe):
    pytest.importorskip("cv2")
    with pytest.raises(UsageError) as raised:
        train(recipe, "runs", {"loader.cache": "ram", "transforms.warp": "opencv"})
    assert 'Set transforms.warp to "each", too' in raised.value.hint


def test_large_images_that_nothing_makes_smaller_are_refused(train, recipe, root):
    for path in root.rglob("*.jpg"):
        Image.new("RGB", (300, 260)).save(path)
    changes = {"loader.cache": "ram", "transforms.train": [{"type": "random_resized_crop", "size": 16}]}
    with pytest.raises(UsageError, match="images are 260x300 pixels"):
        train(recipe, "runs", changes)


def test_small_images_of_one_size_are_kept_as_they_are(train, recipe, root):
    for number, path in enumerate(sorted(root.rglob("*.jpg"))):
        Image.new("RGB", (40, 36), (number * 8, 0, 0)).save(path)
    changes = {"transforms.train": [{"type": "random_resized_crop", "size": 16}, "normalize"]}
    plain = fingerprint(train(recipe, "plain", changes).folder)
    assert fingerprint(train(recipe, "cached", {**changes, "loader.cache": "ram"}).folder) == plain


def test_data_in_memory_needs_no_cache_and_targets_with_places_get_none(train, tmp_path):
    assert train(CLASSIFICATION, "runs", {"loader.cache": "ram", "train.epochs": 1}).status == "completed"
    for number in range(8):
        for folder, mode in (("images", "RGB"), ("masks", "L")):
            path = tmp_path / "streets" / folder / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new(mode, (32, 32)).save(path)
    data = {"type": "image_mask_folder", "root": str(tmp_path / "streets"), "classes": ["a", "b"]}
    with pytest.raises(RecipeError, match=r"loader\.cache: cannot keep .*targets lie in the image"):
        train({**SEGMENTATION, "data": data}, "runs", {"loader.cache": "ram"})


def test_a_run_can_be_resumed_with_kept_images(train, recipe, cache, stop_at):
    straight = fingerprint(train(recipe, "straight", {"loader.cache": "disk"}).folder)
    stop_at(5)
    with pytest.raises(InterruptedRun):
        train(recipe, "broken", {"loader.cache": "disk"})
    stop_at(0)
    [folder] = (cache.parent / "broken").iterdir()
    assert fingerprint(runs.resume(folder, quiet=True).folder) == straight
