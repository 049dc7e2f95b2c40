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


def test_an_unreadable_image_is_named(imgfw, classifier_run, images):
    (images / "b.png").write_bytes(b"no image")
    result = imgfw("predict", classifier_run, images)
    assert result.exit_code == 3
    assert str(images / "b.png") in result.stderr


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
