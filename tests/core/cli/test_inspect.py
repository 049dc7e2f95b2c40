"""`imgfw inspect`: what is in a checkpoint, told without torch."""

from __future__ import annotations

import json
import math

import pytest
import torch
from imgfw.engine.saving import checkpoint, checkpoint_folder

HISTORY = [{"epoch": 1, "step": 4, "val/accuracy": 0.25}, {"epoch": 2, "step": 8, "val/accuracy": math.nan}]
STATE = {
    "progress": {
        "step": 9,
        "epochs_done": 2,
        "samples_seen": 72,
        "history": HISTORY,
        "best": {"epoch": 1, "value": 0.25, "metrics": {"val/accuracy": 0.25}},
        "stop": None,
        "finished": False,
        "loss_sum": torch.tensor(1.5),
    },
    "precision": "bf16",
    "average": {"steps": 9},
    "environment": {"torch": "2.99", "threads": 3},
    "versions": {"imgfw-plugin-tiny": "0.4"},
}


@pytest.fixture
def run(tmp_path):
    """A run with three checkpoints, of which the first is the best."""
    place = tmp_path / "run" / "checkpoints"
    place.mkdir(parents=True)
    for name in ("1", "2", "2-step-1"):
        checkpoint.save(place / name, {"fc.weight": torch.zeros(3, 4).half(), "n": torch.tensor(7)}, STATE)
    checkpoint_folder.mark(place, "last", place / "2-step-1")
    checkpoint_folder.mark(place, "best", place / "1")
    return place.parent


def damage(path):
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(bytes(content))


def test_a_checkpoint_is_described_in_words(imgfw, run):
    result = imgfw("inspect", str(run / "checkpoints" / "last"))
    assert result.exit_code == 0
    lines = {line.split("  ")[0]: " ".join(line.split()) for line in result.stdout.splitlines()}
    assert lines["checkpoint"].endswith("/checkpoints/2-step-1")
    assert lines["step"] == "step 9"
    assert lines["samples"] == "samples 72"
    assert lines["best"] == "best epoch 1: val/accuracy 0.25"
    assert lines["metrics"] == "metrics val/accuracy nan"
    assert lines["weights"] == "weights the moving average"
    assert lines["precision"] == "precision bf16"
    assert lines["environment"] == "environment torch 2.99, threads 3"
    assert lines["plugins"] == "plugins imgfw-plugin-tiny 0.4"
    assert lines["model.safetensors"].endswith("bytes, whole")


def test_a_checkpoint_is_described_as_json(imgfw, run):
    report = json.loads(imgfw("inspect", "--json", str(run / "checkpoints" / "1")).stdout)
    assert report["format"] == 1
    assert report["checkpoint_format"] == checkpoint_folder.FORMAT
    assert (report["step"], report["epochs"], report["samples"], report["finished"]) == (9, 2, 72, False)
    assert report["best"] == STATE["progress"]["best"]
    assert report["metrics"] == HISTORY[1] | {"val/accuracy": None}
    assert [item["name"] for item in report["files"]] == list(checkpoint_folder.FILES)
    assert report["problems"] == []
    assert "tensors" not in report


def test_the_tensors_are_listed_with_their_types_and_shapes(imgfw, run):
    report = json.loads(imgfw("inspect", "--json", "--tensors", str(run / "checkpoints" / "1")).stdout)
    listed = [(item["file"], item["name"], item["dtype"], item["shape"]) for item in report["tensors"]]
    assert listed == [
        ("model.safetensors", "fc.weight", "F16", [3, 4]),
        ("model.safetensors", "n", "I64", []),
        ("state.safetensors", "t0", "F32", [1]),
    ]
    shown = imgfw("inspect", "--tensors", str(run / "checkpoints" / "1")).stdout
    assert "fc.weight  F16  3x4" in shown
    assert "n          I64  scalar" in shown


@pytest.mark.parametrize("name", checkpoint_folder.FILES)
def test_a_damaged_file_is_named_and_the_others_are_told(imgfw, run, name):
    damage(run / "checkpoints" / "1" / name)
    result = imgfw("inspect", str(run / "checkpoints" / "1"))
    assert result.exit_code == 3
    assert f"checkpoints/1/{name} is not the file that was written" in result.stderr
    assert result.stdout.count("bytes, whole") == 2
    assert ("step " in result.stdout) == (name != "state.json")


@pytest.mark.parametrize("name", ["manifest.json", "model.safetensors"])
def test_a_run_lists_its_checkpoints_and_which_are_damaged(imgfw, run, name):
    assert imgfw("inspect", str(run)).exit_code == 0
    damage(run / "checkpoints" / "2" / name)
    result = imgfw("inspect", str(run))
    assert result.exit_code == 3
    assert f"checkpoints/2/{name}" in result.stderr
    rows = [[line.split()[0], *line.split()[3:]] for line in result.stdout.splitlines()]
    assert rows == [["1", "whole", "best"], ["2", "damaged"], ["2-step-1", "whole", "last"]]


def test_a_run_without_a_whole_checkpoint_is_told_what_is_left_to_do(imgfw, run):
    for name in ("1", "2"):
        damage(run / "checkpoints" / name / "state.json")
    assert "--resume takes the newest checkpoint that is whole" in imgfw("inspect", str(run)).stderr
    damage(run / "checkpoints" / "2-step-1" / "state.json")
    result = imgfw("inspect", str(run))
    assert result.exit_code == 3
    assert "--resume" not in result.stderr
    assert "No checkpoint of the run is whole" in result.stderr
    assert "put one back from a copy, or train again" in result.stderr


def test_what_is_no_checkpoint_is_refused(imgfw, tmp_path):
    result = imgfw("inspect", str(tmp_path / "none"))
    assert (result.exit_code, "is no folder of a checkpoint" in result.stderr) == (2, True)
    assert imgfw("inspect", str(tmp_path)).exit_code == 2


def test_inspecting_imports_neither_torch_nor_numpy_nor_plugins(python, run):
    code = (
        "import sys\nfrom imgfw.cli import main\n"
        f"sys.argv = ['imgfw', 'inspect', '--tensors', {str(run / 'checkpoints' / '1')!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = python("-c", code)
    assert "fc.weight" in done.stdout, done.stderr
    assert {"torch", "numpy", "pydantic", "safetensors", "imgfw_plugins"}.isdisjoint(done.stderr.split())
