"""Saving beside the training: what is written, when it is there, and how its failures come to light."""

from __future__ import annotations

import csv
import errno
import os
import shutil
import subprocess
import threading

import imgfw
import pytest
import torch
from imgfw.engine import runs, session, training
from imgfw.engine.saving import checkpoint, recording
from imgfw.engine.saving.snapshot import Copier
from imgfw.engine.saving.writer import Writer
from torch import nn

from tests.core.engine.conftest import CLASSIFICATION, fingerprint


def test_a_snapshot_keeps_what_was_while_the_model_changes():
    weights = {"a": torch.arange(6.0), "b": torch.ones(2, 3, 4, 4).to(memory_format=torch.channels_last)}
    snapshot = Copier().take(weights, {"momentum": [weights["a"][2:4]]})
    for weight in weights.values():
        weight.zero_()
    assert torch.equal(snapshot.weights()["a"], torch.arange(6.0))
    assert torch.equal(snapshot.weights()["b"], torch.ones(2, 3, 4, 4))
    assert snapshot.weights()["b"].stride() == weights["b"].stride()


def test_the_memory_of_a_snapshot_is_used_for_the_next_one():
    copier = Copier()
    model = {"a": torch.zeros(1000), "b": torch.zeros(1000), "c": torch.zeros(7, dtype=torch.bool)}

    def places():
        return {tensor.data_ptr() for tensor in copier.take(model, {}).weights().values()}

    first = places()
    assert places() == first
    del model["b"]
    assert places() < first


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.bool, torch.int64, torch.complex64, torch.uint8])
def test_a_snapshot_holds_tensors_of_every_kind(dtype):
    tensor = torch.tensor([1, 0, 1]).to(dtype)
    assert torch.equal(Copier().take({"x": tensor}, {}).weights()["x"], tensor)


def test_a_second_job_waits_for_the_first():
    writer, done, release = Writer(), [], threading.Event()
    writer.start(lambda: (release.wait(), done.append(1)))
    threading.Timer(0.01, release.set).start()
    writer.start(lambda: done.append(2))
    writer.wait()
    assert done == [1, 2]


@pytest.mark.parametrize("look", ["check", "wait", "start"])
def test_a_failure_is_raised_once_wherever_training_looks_next(look):
    def fail():
        raise imgfw.ImgfwError("full")

    writer = Writer()
    writer.start(fail)
    if look == "check":
        writer._thread.join()
    with pytest.raises(imgfw.ImgfwError, match="full"):
        writer.start(fail) if look == "start" else getattr(writer, look)()
    writer.check()
    writer.wait()


@pytest.fixture
def written(monkeypatch):
    """The checkpoints that a run writes, and the threads that do it."""
    write, names = checkpoint.write, {}

    def note(folder, snapshot):
        write(folder, snapshot)
        names[folder.name] = threading.current_thread()

    monkeypatch.setattr(checkpoint, "write", note)
    return names


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, ["1", "2"]),
        ({"every_steps": 2}, ["0-step-2", "0-step-4", "1", "1-step-1", "1-step-3", "1-step-5", "2"]),
        (
            {"every_minutes": 1e-9},
            [*(f"{epoch}-step-{step}" for epoch in (0, 1) for step in range(1, 6)), "1", "2"],
        ),
    ],
)
def test_saving_within_an_epoch_changes_nothing(train, written, settings, names):
    short = {"train.epochs": 2}
    straight = fingerprint(train(CLASSIFICATION, "straight", short).folder)
    written.clear()
    often = train(
        CLASSIFICATION, "often", short | {f"checkpoint.{key}": item for key, item in settings.items()}
    )
    assert fingerprint(often.folder) == straight
    assert sorted(written) == sorted(names)
    assert threading.main_thread() not in written.values()


def test_a_run_killed_between_epochs_goes_on_from_a_checkpoint_within_one(train, tmp_path):
    changes = {"train.epochs": 2, "checkpoint.every_steps": 1, "checkpoint.keep": 100}
    straight = train(CLASSIFICATION, "straight", changes).folder
    for name in ("0-step-3", "1-step-5"):
        killed = tmp_path / "killed" / name
        shutil.copytree(straight, killed, symlinks=True)
        places = checkpoint.ordered(killed / "checkpoints")
        for place in places[[place.name for place in places].index(name) + 1 :]:
            shutil.rmtree(place)
        (killed / "summary.json").unlink()
        assert fingerprint(runs.resume(killed, quiet=True).folder) == fingerprint(straight)


def test_what_callbacks_logged_before_a_save_within_an_epoch_is_logged_after_it(train, tmp_path):
    plugin = tmp_path / "first.py"
    plugin.write_text(
        "import imgfw\n\n"
        "class First(imgfw.Callback):\n"
        '    """Logs in the first step of an epoch."""\n'
        "    def on_step_end(self, run):\n"
        "        if run.step == 1:\n"
        "            run.log('first', 7)\n\n"
        "@imgfw.hookimpl\n"
        "def imgfw_callbacks():\n"
        "    return [First]\n"
    )
    changes = {
        "train.epochs": 1,
        "checkpoint.every_steps": 3,
        "callbacks": ["first"],
        "plugins": [str(plugin)],
    }
    folder = train(CLASSIFICATION, "logged", changes).folder
    shutil.rmtree(folder / "checkpoints" / "1")
    runs.resume(folder, quiet=True)
    rows = csv.DictReader((folder / "metrics.csv").read_text().splitlines())
    assert [row["first"] for row in rows] == ["7.0"]


def fail_from(monkeypatch, number, error):
    """Let checkpoints fail from the n-th on, as a disk would."""
    save_file, writes = checkpoint.save_file, 0

    def fail(tensors, path):
        nonlocal writes
        writes += 1
        if writes > 2 * (number - 1):
            raise error
        save_file(tensors, path)

    monkeypatch.setattr(checkpoint, "save_file", fail)


@pytest.mark.parametrize("number", [1, 2, 3, 6])
def test_a_full_disk_ends_the_run_with_its_sentence_wherever_it_was_found(
    train, monkeypatch, tmp_path, number
):
    fail_from(monkeypatch, number, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    with pytest.raises(
        imgfw.ImgfwError, match=r"cannot be written: .*No space left.* bytes are free.*Free some"
    ):
        train(CLASSIFICATION, changes={"train.epochs": 2, "checkpoint.every_steps": 2})
    folder = tmp_path / "runs" / "tiny"
    summary = session.RunFolder.open(folder).read_json("summary.json")
    assert summary["status"] == "failed"
    assert "No space left" in summary["stop_reason"]
    assert threading.active_count() == 1
    if number > 1:
        monkeypatch.undo()
        assert checkpoint.load_newest(folder / "checkpoints")[1] == []


def test_a_weight_that_is_no_number_ends_the_run_and_is_not_saved(train, monkeypatch, tmp_path):
    step = training.optimizer_step

    def spoil(parts, *others):
        if parts.schedule.state_dict() and others[1].step == 3:
            nn.init.constant_(next(iter(parts.model.parameters())), float("nan"))
        return step(parts, *others) if others[1].step < 3 else True

    monkeypatch.setattr(training, "optimizer_step", spoil)
    with pytest.raises(imgfw.DivergedError, match=r"not finite \(") as error:
        train(
            CLASSIFICATION,
            changes={"train.epochs": 1, "checkpoint.every_steps": 2, "checkpoint.monitor": "train/loss"},
        )
    assert error.value.exit_code == 5
    assert [place.name for place in checkpoint.ordered(tmp_path / "runs" / "tiny" / "checkpoints")] == [
        "0-step-2"
    ]


def test_another_failure_is_the_runs_and_the_writers_is_said(train, monkeypatch, capsys, tmp_path):
    fail_from(monkeypatch, 1, OSError(errno.EIO, os.strerror(errno.EIO)))

    def break_down(parts, *others):
        raise imgfw.DataError("The data is gone.")

    monkeypatch.setattr(training, "evaluate", break_down)
    monkeypatch.setattr(recording.Recorder, "save_is_due", lambda self, parts, progress: progress.step == 5)
    recipe = CLASSIFICATION | {"output_dir": str(tmp_path / "runs")}
    with pytest.raises(imgfw.DataError, match="The data is gone"):
        imgfw.run(recipe)
    assert "warning: " in (said := capsys.readouterr().out)
    assert "Input/output error" in said
    assert threading.active_count() == 1


def test_a_state_that_cannot_be_saved_is_found_by_the_training_itself(tmp_path):
    with pytest.raises(imgfw.PluginError, match=r"state\.lock holds lock"):
        Copier().take({}, {"lock": threading.Lock()})


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 1 MB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_full_is_named_with_what_is_free(small_disk):
    with pytest.raises(
        imgfw.ImgfwError, match=rf"{small_disk}/1 cannot be written: .* are needed \(1,048,576 bytes are free"
    ):
        checkpoint.save(small_disk / "1", {"weight": torch.zeros(10)}, {})


@pytest.mark.parametrize("room", [0, 5000, 20000, 60000])
def test_a_disk_that_fills_up_while_it_is_written_keeps_the_earlier_checkpoint(small_disk, monkeypatch, room):
    monkeypatch.setattr(checkpoint, "refuse_full_disk", lambda path, size: None)
    checkpoint.save(small_disk / "1", {"weight": torch.zeros(10)}, {"number": 1})
    (small_disk / "ballast").write_bytes(bytes(shutil.disk_usage(small_disk).free - room))
    with pytest.raises(imgfw.ImgfwError, match=r"No space left on device.* bytes are free.*Free some space"):
        checkpoint.save(small_disk / "1", {"weight": torch.zeros(20000)}, {"number": 2})
    assert checkpoint.load(small_disk / "1").state["number"] == 1


def test_events_are_appended_whole_or_not_at_all_on_a_full_disk(small_disk):
    folder = session.RunFolder(small_disk)
    folder.event("start")
    (small_disk / "ballast").write_bytes(bytes(shutil.disk_usage(small_disk).free))
    with pytest.raises(imgfw.ImgfwError, match=r"events\.jsonl cannot be written: .*\(0 bytes are free"):
        folder.event("step", text="x" * 10_000)
    assert (small_disk / "events.jsonl").read_text().count("\n") == 1
    for write in (
        lambda: folder.write_json("summary.json", {"a": "x" * 9000}),
        lambda: folder.write_metrics([{"a": 1}]),
    ):
        with pytest.raises(
            imgfw.ImgfwError, match=r"(summary\.json|metrics\.csv) cannot be written.*Free some space"
        ):
            write()
