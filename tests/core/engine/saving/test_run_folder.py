"""A run's folder: never overwritten, never half written."""

from __future__ import annotations

import json

import pytest
from imgfw import UsageError
from imgfw.engine.saving.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    return RunFolder.create(tmp_path, "run")


def test_no_run_overwrites_another(tmp_path):
    names = [RunFolder.create(tmp_path / "runs", "tiny").path.name for _ in range(3)]
    assert names == ["tiny", "tiny-2", "tiny-3"]


def test_a_name_that_a_file_has_is_taken(tmp_path):
    (tmp_path / "tiny").write_text("mine")
    assert RunFolder.create(tmp_path, "tiny").path.name == "tiny-2"
    assert (tmp_path / "tiny").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_a_usage_error(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(UsageError, match=r"cannot be made.*output_dir"):
        RunFolder.create(tmp_path / "runs", "tiny")


def test_only_the_folder_of_a_run_is_opened(tmp_path, folder):
    with pytest.raises(UsageError, match="is not the folder of a run"):
        RunFolder.open(tmp_path)
    folder.write_json("recipe.resolved.json", {"version": 1})
    assert RunFolder.open(str(folder.path)).read_json("recipe.resolved.json") == {"version": 1}


def test_metrics_have_a_column_for_all_that_any_epoch_measured(folder):
    folder.write_metrics([{"epoch": 1, "val/loss": 0.5}, {"epoch": 2, "lr": 0.1, "val/loss": 0.25}])
    text = (folder.path / "metrics.csv").read_text()
    assert text == "epoch,val/loss,lr\n1,0.5,\n2,0.25,0.1\n"


def test_metrics_keep_every_digit(folder):
    folder.write_metrics([{"loss": 0.1 + 0.2}, {"loss": float("nan")}])
    assert (folder.path / "metrics.csv").read_text() == "loss\n0.30000000000000004\nnan\n"


def test_events_are_appended_with_their_time(folder):
    folder.event("start", step=0)
    folder.event("end", status="completed")
    first, second = map(json.loads, (folder.path / "events.jsonl").read_text().splitlines())
    assert (first["event"], first["step"]) == ("start", 0)
    assert (second["event"], second["status"]) == ("end", "completed")
    assert 0 <= second["time"] - first["time"] < 60


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_has_not_is_null(folder, value):
    folder.event("epoch", **{"val/loss": value})
    folder.write_json("summary.json", {"best": {"val/loss": value, "epoch": 1}, "test": [value]})
    assert json.loads((folder.path / "events.jsonl").read_text())["val/loss"] is None
    assert folder.read_json("summary.json") == {"best": {"val/loss": None, "epoch": 1}, "test": [None]}


def test_only_the_process_that_writes_writes(tmp_path, folder):
    other = RunFolder(folder.path, writes=False)
    other.write_json("a.json", {})
    other.write_metrics([{"epoch": 1}])
    other.event("start")
    assert list(folder.path.iterdir()) == []


def test_a_removed_folder_gives_its_name_free(tmp_path, folder):
    folder.event("start")
    RunFolder(folder.path, writes=False).remove()
    assert folder.path.is_dir()
    folder.remove()
    assert RunFolder.create(tmp_path, "run").path == folder.path
