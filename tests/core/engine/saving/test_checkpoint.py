"""Checkpoints: whole or not there, and whatever is wrong with one is found."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
import shutil

import pytest
import torch
from imgfw import DataError, DivergedError, ImgfwError, PluginError
from imgfw.engine.saving import checkpoint, checkpoint_folder
from imgfw.engine.saving.checkpoint_folder import DamagedCheckpointError, NewerCheckpointError
from safetensors.torch import load_file
from torch import nn

FILES = ("manifest.json", "model.safetensors", "state.json", "state.safetensors")
MODEL = {"weight": torch.arange(12.0).reshape(3, 4), "steps": torch.tensor(7)}
STATE = {"optimizer": {"state": {0: {"momentum": torch.ones(3)}}}, "progress": {"step": 5, "seen": (1, 2)}}


@pytest.fixture
def folder(tmp_path):
    """A checkpoint."""
    checkpoint.save(tmp_path / "checkpoints" / "1", MODEL, STATE)
    return tmp_path / "checkpoints" / "1"


def model_of(number):
    return {"weight": torch.full((3,), float(number))}


def save_several(checkpoints, *names):
    for number, name in enumerate(names):
        checkpoint.save(checkpoints / name, model_of(number), {"number": number})


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_what_was_saved_is_loaded(folder):
    found = checkpoint.load(folder)
    assert found.folder == folder
    assert found.model.keys() == MODEL.keys()
    assert all(torch.equal(found.model[name], MODEL[name]) for name in MODEL)
    assert torch.equal(found.state["optimizer"]["state"][0]["momentum"], torch.ones(3))
    assert found.state["progress"] == STATE["progress"]


def test_the_model_file_holds_the_models_own_keys(folder):
    assert load_file(folder / "model.safetensors").keys() == MODEL.keys()


def test_the_manifest_tells_every_other_files_size_and_hash(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    assert sorted(item.name for item in folder.iterdir()) == list(FILES)
    assert sorted(manifest["files"]) == [name for name in FILES if name != "manifest.json"]
    for name, facts in manifest["files"].items():
        assert facts["bytes"] == (folder / name).stat().st_size
        assert len(facts["sha256"]) == 64


def test_equal_states_are_the_same_bytes(tmp_path):
    for name in ("1", "2"):
        checkpoint.save(tmp_path / name, MODEL, STATE)
    for name in FILES:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_found_wherever_it_is(folder, name):
    content = (folder / name).read_bytes()
    for place in {*range(0, len(content), 7), len(content) - 2}:
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        (folder / name).write_bytes(flipped)
        with pytest.raises(DamagedCheckpointError):
            checkpoint.verify(folder)
    (folder / name).write_bytes(content)
    checkpoint.verify(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("length", [0, 1, -1], ids=["empty", "one byte", "all but one byte"])
def test_a_file_cut_short_is_found(folder, name, length):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:length])
    with pytest.raises(DamagedCheckpointError, match=str(folder)):
        checkpoint.load(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_longer_file_is_found(folder, name):
    with (folder / name).open("ab") as file:
        file.write(b"\x00")
    with pytest.raises(DamagedCheckpointError):
        checkpoint.load(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_found_and_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(DamagedCheckpointError, match=name):
        checkpoint.load(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_a_files_place_is_found(folder, name):
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(DamagedCheckpointError):
        checkpoint.load(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_checkpoint_is_found(folder, name, tmp_path):
    checkpoint.save(tmp_path / "other", model_of(3), {"progress": 1, "momentum": torch.zeros(2)})
    shutil.copy(tmp_path / "other" / name, folder / name)
    with pytest.raises(DamagedCheckpointError):
        checkpoint.load(folder)


def test_two_files_that_changed_places_are_found(folder):
    names = ("model.safetensors", "state.safetensors")
    one, other = ((folder / name).read_bytes() for name in names)
    (folder / names[0]).write_bytes(other)
    (folder / names[1]).write_bytes(one)
    with pytest.raises(DamagedCheckpointError):
        checkpoint.load(folder)


def rewrite_manifest(folder, change):
    """Write a manifest that is right in itself, but says something else."""
    manifest = json.loads((folder / "manifest.json").read_text()) | change
    del manifest["sha256"]
    own = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest | {"sha256": own}, indent=2) + "\n")


@pytest.mark.parametrize("change", [{"format": 1}, {"format": None}, {"files": {}}, {"files": []}])
def test_a_manifest_that_cannot_be_is_refused(folder, change):
    rewrite_manifest(folder, change)
    with pytest.raises(DamagedCheckpointError):
        checkpoint.load(folder)


def test_a_manifest_that_lists_another_file_is_refused(folder):
    files = json.loads((folder / "manifest.json").read_text())["files"]
    rewrite_manifest(folder, {"files": files | {"more.safetensors": files["model.safetensors"]}})
    with pytest.raises(DamagedCheckpointError, match="lists other files"):
        checkpoint.load(folder)


@pytest.mark.parametrize("change", [{"format": 3}, {"imgfw": "0.1.1"}, {"files": {}}])
def test_a_manifest_that_was_changed_by_hand_is_found(folder, change):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | change, indent=2) + "\n")
    with pytest.raises(DamagedCheckpointError, match=r"manifest\.json is not the file that was written"):
        checkpoint.load(folder)


@pytest.mark.parametrize("files", [{}, None], ids=["other files", "same files"])
def test_a_later_format_is_refused_with_the_version_that_wrote_it(folder, files):
    rewrite_manifest(
        folder, {"format": 3, "imgfw": "7.8.9"} | ({"files": files} if files is not None else {})
    )
    with pytest.raises(NewerCheckpointError, match=r"written by imgfw 7\.8\.9 in format 3.*--upgrade imgfw"):
        checkpoint.load(folder)
    with pytest.raises(NewerCheckpointError):  # an older one is no substitute: its run went on
        checkpoint.load_newest(folder.parent)


def test_a_checkpoint_of_the_first_format_is_read(folder):
    """The first format's manifest had neither a version nor a hash of its own, and its states fewer parts."""
    document = json.loads((folder / "state.json").read_text()) | {"format": 1}
    (folder / "state.json").write_text(json.dumps(document, indent=2) + "\n")
    files = {
        item.name: {"bytes": item.stat().st_size, "sha256": hashlib.sha256(item.read_bytes()).hexdigest()}
        for item in folder.iterdir()
        if item.name != "manifest.json"
    }
    manifest = {"format": 1, "files": {name: files[name] for name in FILES if name in files}}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    found = checkpoint.load(folder)
    assert torch.equal(found.model["weight"], MODEL["weight"])
    assert found.state["progress"] == STATE["progress"]
    new = {name: found.state[name] for name in ("average", "built_from", "environment", "logged")}
    assert new == {"average": None, "built_from": None, "environment": None, "logged": {}}


def test_a_stray_file_beside_the_checkpoints_own_harms_nothing(folder):
    (folder / ".DS_Store").write_bytes(b"\x00")
    assert checkpoint.load(folder).state["progress"]["step"] == 5


def test_the_newest_checkpoint_is_loaded(tmp_path):
    save_several(tmp_path, "1", "2", "2-step-9", "10", "2-step-10")
    found, damaged = checkpoint.load_newest(tmp_path)
    assert found.folder.name == "10"
    assert damaged == []


def test_checkpoints_are_ordered_by_how_far_the_run_was(tmp_path):
    save_several(tmp_path, "10", "2", "2-step-10", "2-step-9", "0-step-3")
    names = [folder.name for folder in checkpoint.ordered(tmp_path)]
    assert names == ["0-step-3", "2", "2-step-9", "2-step-10", "10"]


@pytest.mark.parametrize("stray", ["3-backup", "3 (copy)", "²", "notes.txt", ".4.tmp"])
def test_what_somebody_put_beside_the_checkpoints_is_none(tmp_path, stray):
    save_several(tmp_path, "1", "2")
    (tmp_path / stray).mkdir()
    assert [folder.name for folder in checkpoint.ordered(tmp_path)] == ["1", "2"]
    checkpoint_folder.rotate(tmp_path, keep=1)
    assert (tmp_path / stray).is_dir()
    assert checkpoint.load_newest(tmp_path)[0].folder.name == "2"


def test_a_damaged_newest_one_is_left_out_and_named(tmp_path):
    save_several(tmp_path, "1", "2", "3")
    damage(tmp_path / "3" / "model.safetensors")
    (tmp_path / "2" / "state.json").unlink()
    found, damaged = checkpoint.load_newest(tmp_path)
    assert torch.equal(found.model["weight"], model_of(0)["weight"])
    assert len(damaged) == 2
    assert str(tmp_path / "3" / "model.safetensors") in damaged[0]
    assert str(tmp_path / "2") in damaged[1]


def test_a_run_without_a_whole_checkpoint_says_why(tmp_path):
    with pytest.raises(DataError, match="stopped before the first was saved"):
        checkpoint.load_newest(tmp_path / "none")
    save_several(tmp_path, "1")
    damage(tmp_path / "1" / "state.json")
    with pytest.raises(DataError, match=r"state\.json is not the file that was written"):
        checkpoint.load_newest(tmp_path)


def test_rotation_keeps_the_newest_whole_one_though_newer_ones_are_damaged(tmp_path):
    save_several(tmp_path, "1", "2", "3", "4", "5")
    checkpoint_folder.mark(tmp_path, "best", tmp_path / "5")
    checkpoint_folder.mark(tmp_path, "last", tmp_path / "5")
    damage(tmp_path / "5" / "model.safetensors")
    (tmp_path / "4" / "manifest.json").unlink()
    checkpoint_folder.rotate(tmp_path, keep=2)
    assert {folder.name for folder in checkpoint.ordered(tmp_path)} == {"3", "4", "5"}
    assert checkpoint.load_newest(tmp_path)[0].state == {"number": 2}


def test_what_a_killed_process_was_replacing_comes_back(tmp_path):
    save_several(tmp_path, "1", "2")
    (tmp_path / "2").rename(tmp_path / ".2.old")  # killed between the two renames
    shutil.copytree(tmp_path / "1", tmp_path / ".2.tmp")
    (tmp_path / ".last.tmp").symlink_to("2")
    checkpoint_folder.clean_up(tmp_path)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["1", "2"]
    assert checkpoint.load_newest(tmp_path)[0].state == {"number": 1}


def test_what_was_replaced_already_does_not_come_back(tmp_path):
    save_several(tmp_path, "1")
    shutil.copytree(tmp_path / "1", tmp_path / ".1.old")
    checkpoint.save(tmp_path / "1", model_of(7), {"number": 7})
    shutil.copytree(tmp_path / "1", tmp_path / ".1.old")
    checkpoint_folder.clean_up(tmp_path)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["1"]
    assert checkpoint.load(tmp_path / "1").state == {"number": 7}


@pytest.mark.parametrize("name", [".notes.tmp", "1.tmp", ".hidden", ".1.backup"])
def test_cleaning_up_leaves_what_is_not_imgfws(tmp_path, name):
    (tmp_path / name).mkdir()
    checkpoint_folder.clean_up(tmp_path)
    assert (tmp_path / name).is_dir()


def test_a_disk_without_room_is_seen_before_anything_is_written(tmp_path, monkeypatch):
    save_several(tmp_path, "1", "2")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 1500))
    monkeypatch.setattr(checkpoint, "save_file", no_space)
    with pytest.raises(
        ImgfwError, match=r"/2 cannot be .* 1,\d{3},\d{3} bytes are needed \(1,500 bytes are free"
    ) as error:
        checkpoint.save(tmp_path / "2", model_of(2), {"number": 2})
    assert "Free some space; the earlier checkpoints are whole" in str(error.value)
    check_earlier_ones_are_whole(tmp_path)


@pytest.mark.parametrize("keep", [1, 2, 9])
@pytest.mark.parametrize("best", ["1", "5"])
def test_rotation_keeps_the_newest_the_best_and_the_last(tmp_path, keep, best):
    names = ["1", "2", "3", "4", "5"]
    save_several(tmp_path, *names)
    checkpoint_folder.mark(tmp_path, "best", tmp_path / best)
    checkpoint_folder.mark(tmp_path, "last", tmp_path / "4")
    checkpoint_folder.rotate(tmp_path, keep)
    left = {folder.name for folder in checkpoint.ordered(tmp_path)}
    assert left == {*names[-keep:], best, "4"}
    assert (tmp_path / "best").readlink().name == best
    for folder in checkpoint.ordered(tmp_path):
        checkpoint.verify(folder)


def test_the_name_tells_how_far_the_run_was():
    assert checkpoint_folder.name_of(3, 0) == "3"
    assert checkpoint_folder.name_of(3, 120) == "3-step-120"


def test_saving_again_replaces_what_was_there(tmp_path):
    for number in (1, 2):
        checkpoint.save(tmp_path / "1", model_of(number), {"number": number})
    assert checkpoint.load(tmp_path / "1").state == {"number": 2}
    assert [item.name for item in tmp_path.iterdir()] == ["1"]


def test_what_a_crash_left_behind_is_no_obstacle(tmp_path):
    (tmp_path / ".1.tmp").mkdir()
    (tmp_path / ".1.tmp" / "model.safetensors").write_bytes(b"half")
    save_several(tmp_path, "1")
    assert [item.name for item in tmp_path.iterdir()] == ["1"]
    checkpoint.verify(tmp_path / "1")


def no_space(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def check_earlier_ones_are_whole(checkpoints):
    """After a failed save of 2: 1 is as it was, and 2 is the old one or the new one."""
    assert checkpoint.load(checkpoints / "1").state == {"number": 0}
    assert checkpoint.load(checkpoints / "2").state["number"] in (1, 2)
    assert not (checkpoints / ".2.tmp").exists()
    found, damaged = checkpoint.load_newest(checkpoints)
    assert found.folder.name == "2"
    assert damaged == []


@pytest.mark.parametrize("stage", range(7))
def test_a_disk_full_at_any_flush_leaves_the_earlier_ones_whole(tmp_path, monkeypatch, stage):
    save_several(tmp_path, "1", "2")
    flush, flushes = os.fsync, 0

    def fill_up(descriptor):
        nonlocal flushes
        flushes += 1
        if flushes > stage:
            no_space()
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", fill_up)
    with pytest.raises(ImgfwError, match=r"2 cannot be written: .*No space left.*Free some space"):
        checkpoint.save(tmp_path / "2", model_of(2), {"number": 2})
    monkeypatch.undo()
    check_earlier_ones_are_whole(tmp_path)


@pytest.mark.parametrize("stage", range(2))
def test_a_disk_full_at_any_tensor_file_leaves_the_earlier_ones_whole(tmp_path, monkeypatch, stage):
    save_several(tmp_path, "1", "2")
    write, writes = checkpoint.save_file, 0

    def fill_up(tensors, path):
        nonlocal writes
        write(tensors, path)
        writes += 1
        if writes > stage:
            os.truncate(path, 10)
            no_space()

    monkeypatch.setattr(checkpoint, "save_file", fill_up)
    with pytest.raises(ImgfwError, match="Free some space"):
        checkpoint.save(tmp_path / "2", model_of(2), {"number": 2})
    check_earlier_ones_are_whole(tmp_path)


@pytest.mark.parametrize("limit", [0, 50, 300, 3000, 30000])
def test_files_that_may_not_grow_leave_the_earlier_ones_whole(tmp_path, limit):
    save_several(tmp_path, "1", "2")
    state = {"number": 2, "large": torch.zeros(1000), "text": "x" * 40000}
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(ImgfwError, match="File too large"):
            checkpoint.save(tmp_path / "2", model_of(2), state)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    check_earlier_ones_are_whole(tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "checkpoints").write_text("a file")
    with pytest.raises(ImgfwError, match=r"cannot be written.*Make the folder writable"):
        checkpoint.save(tmp_path / "checkpoints" / "1", MODEL, STATE)


def test_a_state_that_cannot_be_saved_is_its_plugins_error(tmp_path):
    with pytest.raises(PluginError, match=r"state\.callbacks\[0\]\.lock holds object"):
        checkpoint.save(tmp_path / "1", MODEL, {"callbacks": [{"lock": object()}]})
    assert list(tmp_path.iterdir()) == []


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
        self.head.weight = self.embed.weight


def test_tied_weights_come_back_under_both_names_and_stay_tied(tmp_path):
    model, other = Tied(), Tied()
    checkpoint.save(tmp_path / "1", model.state_dict(), {})
    saved = load_file(tmp_path / "1" / "model.safetensors")
    assert torch.equal(saved["embed.weight"], model.embed.weight)
    other.load_state_dict(checkpoint.load(tmp_path / "1").model)
    assert torch.equal(other.head.weight, model.head.weight)
    assert other.head.weight is other.embed.weight


def test_weights_of_any_layout_are_saved_whole(tmp_path):
    table = torch.arange(48.0)
    weights = {
        "channels_last": table.reshape(2, 4, 2, 3).contiguous(memory_format=torch.channels_last),
        "transposed": table.reshape(6, 8).t(),
        "beginning": table[:5],
        "end": table[40:],
        "empty": torch.empty(0, 3),
        "also_empty": torch.empty(0),
        "number": torch.tensor(3, dtype=torch.int64),
        "half": table[:3].bfloat16(),
    }
    checkpoint.save(tmp_path / "1", weights, {})
    found = checkpoint.load(tmp_path / "1").model
    assert found.keys() == weights.keys()
    for name, weight in weights.items():
        assert torch.equal(found[name], weight), name


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["weight", "running_var"])
def test_weights_that_are_no_numbers_are_not_written(tmp_path, value, name):
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    checkpoint.save(tmp_path / "1", model.state_dict(), {})
    with torch.no_grad():
        getattr(model[1], name)[1] = value
    with pytest.raises(DivergedError, match=rf"not finite \(1\.{name}\)"):
        checkpoint.save(tmp_path / "2", model.state_dict(), {})
    assert [item.name for item in tmp_path.iterdir()] == ["1"]
