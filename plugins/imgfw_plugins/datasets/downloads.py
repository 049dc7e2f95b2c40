"""Fetching a published file, whole and over https or not at all; unpacking an archive's right members."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from imgfw import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from tarfile import TarFile, TarInfo

_SECONDS_WITHOUT_AN_ANSWER = 30
_CHUNK = 1 << 20
_MOST_BYTES = 1_000_000_000
_MOST_MEMBERS = 10_000


def fetch(urls: Sequence[str], target: Path, checksum: str, *, max_bytes: int = _MOST_BYTES) -> None:
    """Download a file from the first address that serves it, and keep it when its checksum is right.

    Only https is spoken, also where an address sends on to another. The file appears whole under its name or
    not at all.

    Args:
        urls: addresses of the same file, tried in order.
        target: where to put it.
        checksum: `sha256:` or `md5:`, and the hexadecimal digits that the file's checksum begins with.
        max_bytes: a larger file is not the right one; no more is read.

    Raises:
        DataError: no address served the right file; the message says how to do it by hand.
    """
    from http.client import HTTPException

    failures = []
    for url in urls:
        try:
            _download(url, target, checksum, max_bytes)
            return
        except (HTTPException, OSError, ValueError) as error:
            failures.append(f"{url}: {getattr(error, 'reason', error)}")
    raise DataError(
        f"{target.name} could not be downloaded ({'; '.join(failures)}).",
        f"Fetch {urls[0]} on a machine with network, and save it as {target}.",
    )


def _download(url: str, target: Path, checksum: str, max_bytes: int) -> None:
    """Download one address.

    Raises:
        ValueError: the address is not https, or serves another file.
        OSError: the address does not answer, or the file cannot be written.
    """
    import hashlib
    import logging

    if not url.startswith("https:"):
        raise ValueError("it is not https")
    logging.getLogger("imgfw").info("downloading %s", url)
    algorithm, _, expected = checksum.partition(":")
    digest = hashlib.new(algorithm, usedforsecurity=algorithm != "md5")
    with _open(url) as response, _written_aside(target) as file:
        while chunk := response.read(_CHUNK):
            digest.update(chunk)
            file.write(chunk)
            if file.tell() > max_bytes:
                raise ValueError(f"it has more than {max_bytes:,} bytes")
        found = digest.hexdigest()
        if not found.startswith(expected):
            raise ValueError(f"its {algorithm} is {found}, expected {expected}")


@contextmanager
def _open(url: str) -> Iterator[BinaryIO]:
    from urllib.error import URLError
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class OnlyToHttps(HTTPRedirectHandler):
        def redirect_request(
            self, req: Request, fp: object, code: int, msg: str, headers: object, newurl: str
        ) -> Request | None:
            if not newurl.startswith("https:"):
                raise URLError(f"it sends on to {newurl}, which is not https")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    with build_opener(OnlyToHttps).open(url, timeout=_SECONDS_WITHOUT_AN_ANSWER) as response:
        yield response


@contextmanager
def _written_aside(target: Path) -> Iterator[BinaryIO]:
    """A file beside the target, which takes its place when the block ends well, and else is gone."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def unpack(archive: Path, names: Iterable[str], folder: Path, *, max_bytes: int = _MOST_BYTES) -> None:
    """Unpack members of a tar archive, and no others; each appears whole under its name or not at all.

    Args:
        archive: the archive.
        names: the members, as `folder/file`; each must be a plain file.
        folder: where to put them.
        max_bytes: how much all its members may hold together.

    Raises:
        DataError: the archive is damaged, lacks one, has one twice, or has something else under its name.
    """
    import tarfile

    try:
        with tarfile.open(archive) as tar:
            members = _members(tar, max_bytes)
            for name in names:
                _unpack_member(tar, members.get(name, []), name, folder / name)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise DataError(f"{archive} cannot be unpacked: {error}.", "Delete it, and fetch it anew.") from error


def _members(tar: TarFile, max_bytes: int) -> dict[str, list[TarInfo]]:
    """The members of an archive by name, read no further than a published one goes.

    Raises:
        ValueError: they are too many, or too large together.
    """
    members: dict[str, list[TarInfo]] = {}
    for count, member in enumerate(tar):
        max_bytes -= member.size
        if count >= _MOST_MEMBERS or max_bytes < 0:
            raise ValueError("it holds more than any published one does")
        members.setdefault(member.name, []).append(member)
    return members


def _unpack_member(tar: TarFile, found: list[TarInfo], name: str, target: Path) -> None:
    """Unpack one file.

    Raises:
        ValueError: it is not there once, or no plain file.
    """
    if len(found) != 1:
        raise ValueError(f"it holds {name} {len(found)} times")
    content = tar.extractfile(found[0]) if found[0].isreg() and not found[0].issparse() else None
    if content is None:
        raise ValueError(f"its {name} is no plain file")
    with _written_aside(target) as file:
        while chunk := content.read(_CHUNK):
            file.write(chunk)
