"""A run from its recipe to its summary."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time

import imgfw
import pytest
import torch
import torchvision
from imgfw.engine import runs
from PIL import Image
from safetensors.torch import load_file

from .conftest import CLASSIFICATION, DETECTION, SEGMENTATION, fingerprint

SHORT = {"train.epochs": 1}


def read_rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_everything_that_its_folder_promises(train):
    result = train(CLASSIFICATION)
    names = {path.name for path in result.folder.iterdir()}
    assert names == {
        "checkpoints",
        "environment.json",
        "events.jsonl",
        "metrics.csv",
        ".lock",
        "recipe.json",
        "recipe.resolved.json",
        "summary.json",
    }
    rows = read_rows(result.folder / "metrics.csv")
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert {"train/loss", "val/loss", "val/accuracy", "lr"} <= set(rows[0])
    summary = json.loads((result.folder / "summary.json").read_text())
    assert summary["format"] == 1
    assert summary["status"] == "completed"
    assert summary["best"]["val/accuracy"] == max(float(row["val/accuracy"]) for row in rows)
    assert set(summary["test"]) == {"test/loss", "test/accuracy"}
    for link in ("last", "best"):
        assert not (result.folder / "checkpoints" / link).readlink().is_absolute()


def test_runs_of_one_name_get_folders_of_their_own(train):
    first = train(CLASSIFICATION, changes=SHORT)
    second = train(CLASSIFICATION, changes=SHORT)
    assert (first.folder.name, second.folder.name) == ("tiny", "tiny-2")


def test_the_best_weights_are_what_is_tested_and_what_evaluate_finds_again(train, jump):
    # A rate that wrecks the net in the second half: the best epoch isn't the last.
    changes = {
        "plugins": [jump],
        "train.epochs": 4,
        "loader.batch_size": 64,
        "optimizer": {"type": "adam", "lr": 0.002},
        "transforms.train": ["normalize"],
        "scheduler": {"type": "jump", "after": 2, "factor": 400.0},
        "callbacks": [],
    }
    result = train(CLASSIFICATION, changes=changes)
    assert result.summary["best"]["epoch"] < 4
    assert runs.evaluate(result.folder) == pytest.approx(result.summary["test"], rel=1e-12)
    best = runs.evaluate(result.folder, split="val")["val/accuracy"]
    assert best == pytest.approx(result.summary["best"]["val/accuracy"], rel=1e-12)


def test_early_stopping_ends_a_run_and_says_why(train):
    stopping = {"type": "early_stopping", "monitor": "val/accuracy", "patience": 1, "min_delta": 1.0}
    result = train(CLASSIFICATION, changes={"callbacks": [stopping], "train.epochs": 9})
    assert result.status == "stopped"
    assert result.summary["epochs"] == 2
    assert "val/accuracy" in result.summary["stop_reason"]


def test_steps_may_stand_instead_of_epochs(train):
    result = train(CLASSIFICATION, changes={"train.epochs": None, "train.steps": 7})
    assert result.summary["steps"] == 7
    assert [row["step"] for row in read_rows(result.folder / "metrics.csv")] == ["5", "7"]


def test_checkpoints_are_rotated_but_the_best_stays(train):
    changes = {"train.epochs": 5, "checkpoint": {"keep": 1, "monitor": "train/loss", "mode": "max"}}
    result = train(CLASSIFICATION, changes=changes)
    kept = {path.name for path in (result.folder / "checkpoints").iterdir()}
    assert kept == {"last", "best", "5", (result.folder / "checkpoints" / "best").readlink().name}


def test_a_diverging_run_names_the_step_and_keeps_its_last_good_state(train, tmp_path, jump):
    changes = {
        "plugins": [jump],
        "train.epochs": 3,
        "optimizer": {"type": "sgd", "lr": 0.05},
        "scheduler": {"type": "jump", "after": 1, "factor": 1e30},
    }
    with pytest.raises(
        imgfw.DivergedError,
        match=r"The loss is (nan|inf|-inf) at step \d+ \(epoch \d, batch \d+, training samples",
    ):
        train(CLASSIFICATION, changes=changes)
    folder = tmp_path / "runs" / "tiny"
    assert json.loads((folder / "summary.json").read_text())["status"] == "diverged"
    weights = load_file(folder / "checkpoints" / "last" / "model.safetensors")
    assert all(torch.isfinite(tensor).all() for tensor in weights.values() if tensor.is_floating_point())


def test_the_best_weights_of_a_torchvision_model_load_into_the_bare_model(train):
    changes = {
        **SHORT,
        "model": "resnet18",
        "transforms": {
            "train": [{"type": "resize", "size": [32, 32]}],
            "eval": [{"type": "resize", "size": [32, 32]}],
        },
        "data": {
            "type": "shapes",
            "image_size": 32,
            "num_train": 16,
            "num_val": 4,
            "num_test": 4,
        },
        "loader.batch_size": 8,
    }
    result = train(CLASSIFICATION, changes=changes)
    bare = torchvision.models.resnet18(num_classes=3)
    bare.load_state_dict(load_file(result.folder / "checkpoints" / "best" / "model.safetensors"), strict=True)


def test_a_finished_run_needs_the_weights_that_it_started_from_no_more(train, tmp_path, stop_at):
    start = train(CLASSIFICATION, "start", SHORT).folder / "checkpoints" / "best" / "model.safetensors"
    copy = tmp_path / "start.safetensors"
    copy.write_bytes(start.read_bytes())
    recipe = {
        **CLASSIFICATION,
        "model": {"type": "resnet9", "width": 8, "pretrained": str(copy), "freeze": ["stem.*"]},
    }
    straight = train(recipe, "straight")
    stop_at(2)
    with pytest.raises(imgfw.InterruptedRun):
        train(recipe, "stopped")
    stop_at(0)
    copy.unlink()
    assert runs.evaluate(straight.folder) == pytest.approx(straight.summary["test"], rel=1e-12)
    resumed = runs.resume(tmp_path / "stopped" / "tiny", quiet=True)
    assert fingerprint(resumed.folder) == fingerprint(straight.folder)
    stem = load_file(resumed.folder / "checkpoints" / "last" / "model.safetensors")["stem.0.weight"]
    assert torch.equal(stem, load_file(start)["stem.0.weight"])


@pytest.mark.slow
def test_a_net_with_auxiliary_outputs_trains_and_is_tested_on_its_main_output(train):
    changes = {
        "train": {"steps": 1, "device": "cpu"},
        "data": {"type": "shapes", "image_size": 75, "num_train": 2, "num_val": 1, "num_test": 1},
        "model": "googlenet",
        "transforms": {},
        "loader.batch_size": 2,
        "scheduler": "constant",
        "callbacks": [],
    }
    result = train(CLASSIFICATION, changes=changes)
    model = imgfw.load(result.folder).model
    assert model.aux1.fc2.weight.shape[0] == model.aux2.fc2.weight.shape[0] == 3
    moments = load_file(result.folder / "checkpoints" / "last" / "state.safetensors")
    trained = sum(parameter.numel() for parameter in model.parameters())
    assert sum(tensor.numel() for tensor in moments.values() if tensor.is_floating_point()) >= trained
    assert math.isfinite(result.summary["test"]["test/loss"])


@pytest.mark.parametrize("recipe", [CLASSIFICATION, SEGMENTATION, DETECTION])
def test_a_run_can_be_loaded_and_predicts(train, recipe):
    predictor = imgfw.load(train(recipe, changes=SHORT).folder)
    size = {"classification": 8, "segmentation": 32, "detection": 64}[predictor.info.task]
    image = torch.randint(0, 256, (predictor.info.channels, size, size), dtype=torch.uint8)
    records = predictor.predict([image, image])
    assert len(records) == 2
    if predictor.info.task == "classification":
        assert records[0]["label"] in predictor.info.classes
        assert sum(records[0]["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def make_folder(root):
    for split, count in (("train", 8), ("val", 2), ("test", 2)):
        for label, colour in (("dark", 40), ("light", 200)):
            folder = root / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (16, 16), (colour, colour, colour + number)).save(folder / f"{number}.png")


def folder_recipe(root, **changes):
    return {
        **CLASSIFICATION,
        "data": {"type": "image_folder", "root": str(root)},
        "transforms": {},
        "train": {"epochs": 1, "device": "cpu"},
        "loader": {"batch_size": 8, "num_workers": 0},
        **changes,
    }


def test_an_unreadable_image_stops_the_run_and_is_named(train, tmp_path):
    make_folder(tmp_path / "data")
    broken = tmp_path / "data" / "train" / "light" / "3.png"
    broken.write_bytes(broken.read_bytes()[:40])
    with pytest.raises(imgfw.DataError, match=r"light/3\.png"):
        train(folder_recipe(tmp_path / "data"))
    assert broken.stat().st_size == 40


@pytest.mark.parametrize("workers", [0, 2])
def test_unreadable_images_can_be_left_out_and_are_listed(train, tmp_path, workers):
    make_folder(tmp_path / "data")
    for name in ("train/light/3.png", "val/dark/1.png"):
        (tmp_path / "data" / name).write_bytes(b"no image")
    loader = {"batch_size": 8, "num_workers": workers}
    result = train(folder_recipe(tmp_path / "data", bad_data="skip", loader=loader))
    rows = read_rows(result.folder / "quarantine.csv")
    assert sorted(row["source"].rpartition("data/")[2] for row in rows) == [
        "train/light/3.png",
        "val/dark/1.png",
    ]
    assert result.status == "completed"


def test_a_model_that_does_not_fit_the_data_is_found_before_the_first_step(train, tmp_path):
    plugin = tmp_path / "five.py"
    plugin.write_text(
        "import imgfw\n\n"
        "def five(info):\n"
        '    """Five classes, whatever the data has."""\n'
        "    from torch import nn\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 5))\n\n"
        "@imgfw.hookimpl\n"
        "def imgfw_models():\n"
        "    return [five]\n"
    )
    with pytest.raises(imgfw.RecipeError, match=r"model .* it returns \[1, 5\], not \[B, 10\]"):
        train({**CLASSIFICATION, "plugins": [str(plugin)], "model": "five"})
    assert not list((tmp_path / "runs").iterdir())


def test_without_a_validation_split_nothing_of_it_can_be_monitored(train):
    with pytest.raises(imgfw.RecipeError, match=r"callbacks\[0\].monitor: \"val/loss\" is not measured"):
        train(CLASSIFICATION, changes={"split": {"val_fraction": 0.0}})
    changes = {
        "split": {"val_fraction": 0.0},
        "callbacks": [],
        "scheduler": {
            "type": "reduce_on_plateau",
            "monitor": "train/loss",
            "patience": 0,
            "min_delta": 100.0,
        },
    }
    rows = read_rows(train(CLASSIFICATION, changes=changes).folder / "metrics.csv")
    assert float(rows[-1]["lr"]) < float(rows[0]["lr"])


def test_a_label_out_of_range_is_found_before_the_first_step(train, tmp_path):
    plugin = tmp_path / "wrong_labels.py"
    plugin.write_text(
        "import imgfw\n\n"
        "def wrong_labels():\n"
        '    """Four images, one of which has a label that there is no class for."""\n'
        "    import torch\n"
        "    data = imgfw.InMemory(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 7, 1]))\n"
        "    info = imgfw.DatasetInfo(task='classification', classes=('a', 'b'), channels=1)\n"
        "    return imgfw.Splits(train=data, val=data, info=info)\n\n"
        "@imgfw.hookimpl\n"
        "def imgfw_datasets():\n"
        "    return [wrong_labels]\n"
    )
    recipe = {
        **CLASSIFICATION,
        "plugins": [str(plugin)],
        "data": "wrong_labels",
        "task": "classification",
        "transforms": {},
    }
    with pytest.raises(imgfw.DataError, match="sample 2 of the train data: label 7"):
        train(recipe)
    result = train({**recipe, "bad_data": "skip"}, changes={"loader.batch_size": 3, "train.epochs": 1})
    assert {row["index"] for row in read_rows(result.folder / "quarantine.csv")} == {"2"}


@pytest.mark.slow
def test_ctrl_c_saves_the_state_and_says_how_to_resume(tmp_path):
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps({**CLASSIFICATION, "train": {"epochs": 5000, "log_every": 1}}))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-u", "-m", "imgfw", "run", str(recipe)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment
    ) as process:
        for line in process.stdout:
            if "step" in line:
                break
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "imgfw run --resume runs/tiny" in errors
    assert "Traceback" not in errors
    assert time.monotonic() - began < 60
    assert (tmp_path / "runs" / "tiny" / "checkpoints" / "last" / "manifest.json").is_file()


@pytest.mark.slow
def test_two_processes_train_and_measure_like_one(tmp_path, train):
    """A net without batch norm, an odd number of images: the same mathematics, nothing counted twice."""
    plugin = tmp_path / "flat.py"
    plugin.write_text(
        "import imgfw\n\n"
        "def flat(info):\n"
        '    """A linear net."""\n'
        "    from torch import nn\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, info.num_classes))\n\n"
        "@imgfw.hookimpl\n"
        "def imgfw_models():\n"
        "    return [flat]\n"
    )
    # 359 test images: the first process evaluates 179 and 1, the second 179.
    loader = {"batch_size": 300, "eval_batch_size": 358, "num_workers": 0}
    recipe = {**CLASSIFICATION, "plugins": [str(plugin)], "model": "flat", "loader": loader}
    recipe["loss"] = {"type": "cross_entropy", "weight": [1.0, 2.0, 0.5, 1.0, 1.0, 3.0, 1.0, 1.0, 1.0, 0.1]}
    recipe["transforms"] = {
        "train": [{"type": "random_crop", "size": 8, "padding": 1}, "normalize"],
        "eval": ["normalize"],
    }
    one = train(recipe, "one")
    file = tmp_path / "recipe.json"
    file.write_text(json.dumps({**recipe, "output_dir": str(tmp_path / "two")}))
    command = [sys.executable, "-m", "imgfw", "run", str(file), "--nproc", "2"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    two = json.loads((tmp_path / "two" / "tiny" / "summary.json").read_text())
    assert two["test"]["test/accuracy"] == pytest.approx(one.summary["test"]["test/accuracy"], abs=1e-9)
    assert two["test"]["test/loss"] == pytest.approx(one.summary["test"]["test/loss"], rel=1e-4)
    assert done.stdout.count("best     epoch") == 1
