"""Training, measuring and predicting through the command."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def images(tmp_path):
    """A folder of four grey images and a file that is none."""
    folder = tmp_path / "images"
    (folder / "more").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "more/a.png", "more/c.jpg")):
        Image.fromarray(np.full((8, 8), 40 * number, np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.mark.parametrize("words", [(), ("recipe.json", "--allow-changes")])
def test_a_run_starts_from_a_recipe_or_goes_on(imgfw, words):
    result = imgfw("run", *words)
    assert result.exit_code == 2
    assert "--resume" in result.stderr


def test_a_run_goes_on_with_what_is_changed_and_refuses_what_is_not_allowed(imgfw, train):
    folder = train(model="tinynet", data="digits", loader={"num_workers": 0, "batch_size": 1437})
    refused = imgfw("run", "--resume", folder, "--set", "optimizer.lr=0.1", "--set", "train.steps=3")
    assert refused.exit_code == 2
    assert "changes the trajectory: optimizer.lr: 0.001 -> 0.1" in refused.stderr
    assert "safe: train.steps: 2 -> 3" in refused.stderr
    assert "--allow-changes" in refused.stderr


def test_a_wrong_recipe_is_refused_before_processes_are_started(imgfw, write_recipe, monkeypatch):
    monkeypatch.setattr("imgfw.cli.processes.launch", lambda *_: pytest.fail("processes were started"))
    assert imgfw("run", write_recipe(model="resnet19"), "--nproc", "2").exit_code == 2


def test_processes_are_given_the_same_command(imgfw, write_recipe, monkeypatch):
    started = []
    monkeypatch.setattr("imgfw.cli.processes.launch", lambda *words: started.append(words) or 5)
    monkeypatch.setenv("IMGFW_PLUGINS", "")
    recipe = write_recipe()
    result = imgfw("-p", "no:imgfw", "--quiet", "run", recipe, "--nproc", "2")
    assert result.exit_code == 2  # the built-ins cannot be left out
    result = imgfw("--quiet", "run", recipe, "--set", "seed=3", "--nproc", "2")
    assert result.exit_code == 5
    assert started == [(["-m", "imgfw", "--quiet", "run", "--set", "seed=3", "--", str(recipe)], 2)]


def test_processes_resume_with_the_same_changes(imgfw, write_recipe, monkeypatch):
    started = []
    monkeypatch.setattr("imgfw.cli.processes.launch", lambda *words: started.append(words) or 0)
    recipe = write_recipe()
    words = ["--resume", "runs/a", "--allow-changes"]
    assert imgfw("run", recipe, *words, "--set", "seed=3", "--nproc", "2").exit_code == 0
    assert started == [(["-m", "imgfw", "run", "--set", "seed=3", *words, "--", str(recipe)], 2)]


@pytest.mark.parametrize(
    ("code", "expected"), [("sys.exit(3 * (os.environ['RANK'] == '1'))", 3), ("pass", 0)]
)
def test_the_exit_code_of_a_process_is_the_commands(python, code, expected):
    worker = f"import os, sys; {code}"
    done = python(
        "-c", f"import sys; from imgfw.cli.processes import launch; sys.exit(launch(['-c', {worker!r}], 2))"
    )
    assert done.returncode == expected
    assert done.stderr == ""


def test_a_quiet_run_prints_where_it_is_kept(classifier_run):
    assert (classifier_run / "summary.json").is_file()


def test_evaluation_prints_the_figures_of_the_summary(imgfw, classifier_run):
    summary = json.loads((classifier_run / "summary.json").read_text())
    result = imgfw("evaluate", classifier_run)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [f"{name} {value:.4f}" for name, value in summary["test"].items()]


def test_evaluation_as_json_holds_the_metrics_by_name(imgfw, classifier_run):
    data = json.loads(imgfw("evaluate", classifier_run, "--split", "val", "--json").stdout)
    assert (data["format"], data["split"]) == (1, "val")
    assert 0 <= data["metrics"]["val/accuracy"] <= 1


@pytest.mark.parametrize("has_val", [True, False])
def test_a_split_that_is_not_there_is_told_with_one_that_is(imgfw, train, tmp_path, has_val):
    for number in range(8):
        path = tmp_path / "photos" / f"class{number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(path)
    data = {"type": "image_folder", "root": str(tmp_path / "photos")}
    loader = {"num_workers": 0, "batch_size": 2}
    split = {"val_fraction": 0.5 * has_val}
    checkpoint = {"monitor": "val/loss" if has_val else "train/loss"}
    folder = train(model="tinynet", data=data, loader=loader, split=split, checkpoint=checkpoint)
    result = imgfw("evaluate", folder)
    assert result.exit_code == 2
    assert f"{folder} has no test split." in result.stderr
    assert (f"There is a val split: imgfw evaluate {folder} --split val." in result.stderr) == has_val
    assert imgfw("evaluate", folder, "--split", "val").exit_code == (0 if has_val else 2)


def test_evaluation_of_a_folder_that_is_no_run_is_an_error(imgfw, tmp_path):
    result = imgfw("evaluate", tmp_path)
    assert result.exit_code != 0
    assert result.stderr.startswith("error: ")


def test_prediction_takes_files_and_folders(imgfw, classifier_run, images):
    result = imgfw("predict", classifier_run, images / "b.png", images)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    files = [images / name for name in ("b.png", "a.png", "more/a.png", "more/c.jpg")]
    assert [line.split(": ")[0] for line in lines] == [str(file) for file in files]
    label, probability = lines[0].split(": ")[1].split()
    assert label in "0123456789"
    assert 0 < float(probability.strip("()")) <= 1


def test_prediction_as_json_is_one_object_a_line(imgfw, classifier_run, images):
    lines = imgfw("predict", classifier_run, images, "--json").stdout.splitlines()
    record = json.loads(lines[0])
    assert len(lines) == 4
    assert record["file"] == str(images / "a.png")
    assert sum(record["probabilities"].values()) == pytest.approx(1, abs=1e-4)


def test_predicting_nothing_is_an_error(imgfw, classifier_run, tmp_path):
    (tmp_path / "empty").mkdir()
    assert imgfw("predict", classifier_run, "nowhere.png").exit_code == 2
    assert imgfw("predict", classifier_run, "empty").exit_code == 3


def test_unreadable_images_are_listed_after_the_others_were_predicted(imgfw, classifier_run, images):
    whole = imgfw("predict", classifier_run, images, "--json").stdout.splitlines()
    (images / "b.png").write_bytes(b"no image")
    (images / "more" / "a.png").write_bytes(b"")
    result = imgfw("predict", classifier_run, images)
    assert result.exit_code == 3
    good = [images / "a.png", images / "more" / "c.jpg"]
    assert [line.split(": ")[0] for line in result.stdout.splitlines()] == [str(file) for file in good]
    assert "2 of 4 images cannot be read:\n" in result.stderr
    assert f"  {images / 'b.png'}: " in result.stderr
    assert f"  {images / 'more' / 'a.png'}: " in result.stderr
    as_json = imgfw("predict", classifier_run, images, "--json")
    assert as_json.exit_code == 3
    lines = as_json.stdout.splitlines()
    assert [lines[0], lines[3]] == [whole[0], whole[3]]
    assert [set(json.loads(line)) for line in lines[1:3]] == [{"file", "error"}] * 2


def test_a_folder_of_unreadable_images_only_predicts_nothing(imgfw, segmenter_run, images):
    for file in images.rglob("*.*g"):
        file.write_bytes(b"no image")
    result = imgfw("predict", segmenter_run, images, "--output", "masks")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "4 of 4 images cannot be read" in result.stderr
    assert "note" not in result.stderr


def test_masks_are_written_as_palette_images(imgfw, segmenter_run, images, tmp_path):
    result = imgfw("predict", segmenter_run, images, "--output", "masks", "--json")
    assert result.exit_code == 0, result.stderr
    written = [tmp_path / json.loads(line)["mask"] for line in result.stdout.splitlines()]
    assert [file.name for file in written] == ["a.mask.png", "b.mask.png", "a.mask-2.png", "c.mask.png"]
    with Image.open(written[0]) as mask:
        assert (mask.mode, mask.size) == ("P", (8, 8))


def test_masks_need_a_folder(imgfw, segmenter_run, images):
    result = imgfw("predict", segmenter_run, images)
    assert result.exit_code == 2
    assert "--output DIR" in result.stderr


def test_a_text_tells_what_share_of_an_image_each_class_has(imgfw, segmenter_run, images):
    result = imgfw("predict", segmenter_run, images / "a.png", "--output", "masks")
    assert "masks/a.mask.png (" in result.stdout
    assert "%" in result.stdout
