"""A download is the right file, over https and whole, or leaves nothing; an archive gives what is asked."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from imgfw import DataError
from imgfw_plugins.datasets.downloads import fetch, unpack

CONTENT = b"what was published"
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


@pytest.fixture
def served(tmp_path: Path, serve: Callable[..., str]) -> str:
    """The address of a folder that holds the published file."""
    (tmp_path / "network").mkdir()
    (tmp_path / "network" / "file").write_bytes(CONTENT)
    return serve(tmp_path / "network")


@pytest.mark.parametrize("checksum", [SHA256, SHA256[:15], MD5])
def test_the_right_file_is_kept(tmp_path, served, checksum) -> None:
    fetch([f"{served}file"], tmp_path / "cache/file", checksum)
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "cache").iterdir()] == [("file", CONTENT)]


def test_it_may_be_sent_on_to_another_https_address(tmp_path, served) -> None:
    fetch([f"{served}to/{served}file"], tmp_path / "cache/file", SHA256)
    assert (tmp_path / "cache/file").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("address", "checksum", "reason"),
    [
        ("{https}file", "sha256:" + "0" * 64, "its sha256 is .*, expected 0000"),
        ("{https}file", "md5:" + "0" * 32, "its md5 is .*, expected 0000"),
        ("{http}file", SHA256, "it is not https"),
        ("file:///etc/hostname", SHA256, "it is not https"),
        ("{https}to/{http}file", SHA256, "it sends on to http://.*, which is not https"),
        ("{https}to/file:///etc/hostname", SHA256, "is not allowed"),
        ("{https}gone", SHA256, "File not found"),
    ],
)
def test_anything_else_is_refused_and_leaves_nothing(
    tmp_path, served, serve, address, checksum, reason
) -> None:
    http = serve(tmp_path / "network", secure=False)
    url = address.format(https=served, http=http)
    with pytest.raises(DataError, match=rf"file could not be downloaded \(.*{reason}"):
        fetch([url], tmp_path / "cache/file", checksum)
    assert list(tmp_path.glob("cache/*")) == []


def test_a_server_whose_certificate_nobody_vouches_for_is_refused(tmp_path, served, monkeypatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(DataError, match="certificate verify failed"):
        fetch([f"{served}file"], tmp_path / "cache/file", SHA256)


def test_no_more_is_read_than_the_file_may_have(tmp_path, served) -> None:
    (tmp_path / "network/file").write_bytes(bytes(3_000_000))
    with pytest.raises(DataError, match="it has more than 1,000,000 bytes"):
        fetch([f"{served}file"], tmp_path / "cache/file", SHA256, max_bytes=1_000_000)
    assert list(tmp_path.glob("cache/*")) == []


def test_the_next_address_is_tried(tmp_path, served) -> None:
    fetch([f"{served}gone", f"{served}file"], tmp_path / "cache/file", SHA256)
    assert (tmp_path / "cache/file").read_bytes() == CONTENT


def member(name: str, content: bytes = CONTENT, **changes: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in changes.items():
        setattr(info, key, value)
    return info, content


def pack(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


def test_what_is_asked_for_is_unpacked_and_nothing_else(tmp_path) -> None:
    archive = pack(
        tmp_path / "a.tar.gz", member("set/a"), member("../evil"), member("/evil"), member("set/b")
    )
    unpack(archive, ["set/a"], tmp_path / "data")
    assert [
        path.relative_to(tmp_path / "data") for path in tmp_path.rglob("data/**/*") if path.is_file()
    ] == [Path("set/a")]
    assert (tmp_path / "data/set/a").read_bytes() == CONTENT
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([member("set/b")], "it holds set/a 0 times"),
        ([member("set/a"), member("set/a", b"another")], "it holds set/a 2 times"),
        ([member("set/a", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")], "its set/a is no plain file"),
        ([member("set/a", b"", type=tarfile.LNKTYPE, linkname="set/b")], "its set/a is no plain file"),
        ([member("set/a", b"", type=tarfile.CHRTYPE)], "its set/a is no plain file"),
        ([member("set/a", b"", type=tarfile.FIFOTYPE)], "its set/a is no plain file"),
        ([member("set/a", b"", type=tarfile.DIRTYPE)], "its set/a is no plain file"),
        ([member("set/b", bytes(60_000)), member("set/a")], "it holds more than any published one"),
        ([member(f"{n}", b"") for n in range(10_001)], "it holds more than any published one"),
    ],
    ids=["missing", "twice", "link", "hard link", "device", "pipe", "folder", "large", "many"],
)
def test_an_archive_with_anything_odd_in_that_place_is_refused(tmp_path, members, reason) -> None:
    archive = pack(tmp_path / "a.tar.gz", *members)
    with pytest.raises(DataError, match=f"a.tar.gz cannot be unpacked: {reason}"):
        unpack(archive, ["set/a"], tmp_path / "data", max_bytes=50_000)
    assert not list(tmp_path.glob("data/**/*"))


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00broken"])
def test_a_file_that_is_no_archive_is_refused(tmp_path, content) -> None:
    (tmp_path / "a.tar.gz").write_bytes(content)
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(tmp_path / "a.tar.gz", ["set/a"], tmp_path / "data")
