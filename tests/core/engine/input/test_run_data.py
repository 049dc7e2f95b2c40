"""Runs whose data is bad, whose workers die, and whose files must stay as they are."""

from __future__ import annotations

import csv
import os
import shutil
import stat

import imgfw
import pytest
from imgfw.engine import runs
from imgfw.engine.input.splits import SplitView
from PIL import Image

from tests.core.engine.conftest import CLASSIFICATION, fingerprint

BROKEN = ("train/light/3.png", "train/dark/5.png", "val/dark/1.png")


@pytest.fixture
def data(tmp_path):
    """Images of two classes, three of them damaged."""
    root = tmp_path / "data"
    for split, count in (("train", 12), ("val", 4), ("test", 2)):
        for label, colour in (("dark", 40), ("light", 200)):
            folder = root / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (8, 8), (colour, colour, colour + number)).save(folder / f"{number}.png")
    for name in BROKEN:
        (root / name).write_bytes((root / name).read_bytes()[:40])
    return root


def recipe_of(root, **changes):
    return {
        **CLASSIFICATION,
        "data": {"type": "image_folder", "root": str(root)},
        "train": {"epochs": 2, "device": "cpu"},
        "loader": {"batch_size": 6, "num_workers": 0},
        "bad_data": "skip",
        "max_bad_fraction": 0.2,
        **changes,
    }


def left_out(folder):
    with (folder / "quarantine.csv").open(newline="") as file:
        return sorted(row["source"].rpartition("data/")[2] for row in csv.DictReader(file))


def test_workers_and_prefetching_change_not_one_bit_though_samples_are_left_out(train, data):
    alone = train(recipe_of(data), "alone")
    assert left_out(alone.folder) == sorted(BROKEN)
    for workers, prefetch in ((1, 4), (2, 1), (4, 4)):
        loader = {"batch_size": 6, "num_workers": workers, "prefetch": prefetch}
        result = train(recipe_of(data, loader=loader), f"{workers}-{prefetch}")
        assert fingerprint(result.folder) == fingerprint(alone.folder)
        assert left_out(result.folder) == left_out(alone.folder)


def test_a_resumed_run_leaves_out_the_same_samples_and_says_so_once(train, data, stop_at, tmp_path, capsys):
    straight = train(recipe_of(data), "straight")
    for look in (1, 3, 6):
        stop_at(look)
        with pytest.raises(imgfw.InterruptedRun):
            train(recipe_of(data), f"stopped-{look}")
        stop_at(0)
        folder = tmp_path / f"stopped-{look}" / "tiny"
        before = left_out(folder) if (folder / "quarantine.csv").exists() else []
        capsys.readouterr()
        resumed = runs.resume(folder)
        assert fingerprint(resumed.folder) == fingerprint(straight.folder)
        assert left_out(resumed.folder) == sorted(BROKEN)
        assert capsys.readouterr().out.count("left out:") == len(BROKEN) - len(before)


@pytest.mark.parametrize("workers", [0, 2])
def test_more_bad_samples_than_allowed_end_a_run_that_keeps_the_list(train, data, tmp_path, workers):
    loader = {"batch_size": 6, "num_workers": workers}
    with pytest.raises(
        imgfw.DataError, match=r"^2 of the 24 samples of the train split .* allows 1\."
    ) as raised:
        train(recipe_of(data, max_bad_fraction=0.05, loader=loader))
    folder = tmp_path / "runs" / "tiny"
    assert f"{folder / 'quarantine.csv'} lists them" in raised.value.message
    assert left_out(folder) == sorted(name for name in BROKEN if "train" in name)


def test_too_many_wrong_masks_end_a_run_before_its_first_step_and_are_listed(train, tmp_path):
    for number in range(8):
        for kind, mode, value in (("images", "RGB", 9), ("masks", "L", 9 if number < 4 else 1)):
            (tmp_path / "data" / kind).mkdir(parents=True, exist_ok=True)
            Image.new(mode, (8, 8), value).save(tmp_path / "data" / kind / f"{number}.png")
    masks = {"type": "image_mask_folder", "root": str(tmp_path / "data"), "classes": ["a", "b"]}
    recipe = {
        "name": "tiny",
        "data": masks,
        "split": {"val_fraction": 0.0},
        "model": {"type": "unet", "width": 4, "depth": 2},
        "train": {"epochs": 1, "device": "cpu"},
        "bad_data": "skip",
        "max_bad_fraction": 0.25,
    }
    with pytest.raises(imgfw.DataError, match=r"^4 of the 8 samples of the train split .* allows 2\."):
        train(recipe)
    assert len(left_out(tmp_path / "runs" / "tiny")) == 4


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_whose_worker_died_is_resumed_to_the_end_of_one_whose_did_not(
    train, data, tmp_path, monkeypatch, workers
):
    loader = {"batch_size": 6, "num_workers": workers}
    straight = train(recipe_of(data, loader=loader), "straight")
    read, lethal = SplitView.sample, tmp_path / "lethal"
    folder = tmp_path / "died" / "tiny"

    def die_once(view, index, least_size=None):
        if (
            view.name == "val"
            and index == 5
            and (folder / "checkpoints" / "last").exists()
            and lethal.exists()
        ):
            lethal.unlink()
            os._exit(9)
        return read(view, index, least_size)

    monkeypatch.setattr(SplitView, "sample", die_once)
    lethal.touch()
    with pytest.raises(
        imgfw.DataError, match=r"A data worker ended with exit code 9 while it read .*val/light/1\.png"
    ):
        train(recipe_of(data, loader=loader), "died")
    assert '"failed"' in (folder / "summary.json").read_text()
    resumed = runs.resume(folder, quiet=True)
    assert fingerprint(resumed.folder) == fingerprint(straight.folder)


def test_the_files_of_the_user_are_only_ever_read(train, data):
    def state():
        return {
            path: (path.stat().st_mtime_ns, path.stat().st_mode, path.is_file() and path.read_bytes())
            for path in [data, *sorted(data.rglob("*"))]
        }

    for path in [*data.rglob("*"), data]:
        path.chmod(stat.S_IREAD | (stat.S_IEXEC if path.is_dir() else 0))
    before = state()
    result = train(recipe_of(data, loader={"batch_size": 6, "num_workers": 1}))
    runs.evaluate(result.folder)
    assert state() == before
    for path in [data, *data.rglob("*")]:
        path.chmod(0o700)
    shutil.rmtree(data)
