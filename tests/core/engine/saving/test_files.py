"""A file is the old one or the new one, never half of one."""

from __future__ import annotations

import errno
import json
import os

import pytest
from imgfw.engine.saving.files import replace_link, sha256, write_atomically, write_json


@pytest.fixture
def disk_full(monkeypatch):
    """Let the disk be full from now on: nothing can be flushed to it."""

    def fill():
        def refuse(descriptor):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", refuse)

    return fill


def test_a_file_is_replaced_by_its_new_content(tmp_path):
    path = tmp_path / "a.txt"
    write_atomically(path, "old")
    write_atomically(path, "new: ü")
    assert path.read_bytes() == "new: ü".encode()
    assert [item.name for item in tmp_path.iterdir()] == ["a.txt"]


def test_the_old_file_stays_when_writing_fails(tmp_path, disk_full):
    path = tmp_path / "a.txt"
    write_atomically(path, b"old")
    disk_full()
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["a.txt"]


def test_the_old_file_stays_when_the_data_is_no_json(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    for unwritable in (float("nan"), object()):
        with pytest.raises((ValueError, TypeError)):
            write_json(path, {"a": unwritable})
    assert json.loads(path.read_text()) == {"a": 1}


def test_json_holds_the_name_of_any_file(tmp_path):
    names = ["grün.png", os.fsdecode(b"gr\xfcn.png"), "tab\there"]
    write_json(tmp_path / "a.json", names)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == names
    assert "grün.png" in text


def test_a_link_is_pointed_elsewhere(tmp_path):
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        replace_link(tmp_path / "last", name)
        assert (tmp_path / "last").readlink().name == name
    assert sorted(item.name for item in tmp_path.iterdir()) == ["1", "2", "last"]


def test_a_link_left_behind_by_a_crash_is_no_obstacle(tmp_path):
    (tmp_path / ".last.tmp").symlink_to("gone")
    replace_link(tmp_path / "last", "1")
    assert (tmp_path / "last").readlink().name == "1"
    assert not (tmp_path / ".last.tmp").is_symlink()


def test_sha256_is_that_of_the_standard(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
