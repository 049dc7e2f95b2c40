"""Files of kept images: written once, by one run at a time, checked when they are opened.

A file holds the pixels, then a description in JSON, then that one's length and a mark. It is written aside
under a lock and renamed when it is whole, so whoever finds one under its name finds all of it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import numpy as np
import PIL
import torch
import torchvision
from torch import Tensor

import imgfw
from imgfw.contract.errors import UsageError
from imgfw.contract.wording import in_units
from imgfw.engine.saving.files import sync_folder

if TYPE_CHECKING:
    from imgfw.engine.input.splits import BadSample, SplitView
    from imgfw.recipe.nodes import Node
    from imgfw.recipe.resolving import ResolvedRecipe

FORMAT = 1
"""The number of the files' format; files of another are not used."""

GIB = 2**30
_MARK = b"imgfwimg"
_CHUNK = 1 << 22

BadRow = tuple[int, str, str]


class Source(Protocol):
    """What makes the images: an iterable of uint8 batches `[B, H, W, C]`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all batches together."""

    @property
    def bad(self) -> Sequence[BadSample]:
        """The samples that cannot be used, complete once the batches are."""

    def __iter__(self) -> Iterator[Tensor]: ...


@dataclass
class CacheFile:
    """A file of kept images that was found whole.

    Attributes:
        path: the file.
        shape: of its pixels, `[N, H, W, C]`.
        bad: index, name and reason of each sample that cannot be used.
    """

    path: Path
    shape: tuple[int, ...]
    bad: list[BadRow]
    _pixels: Tensor | None = field(default=None, repr=False)

    def hold(self) -> bool:
        """Keep every run from removing the file to make room while this is used; False: it is gone."""
        import fcntl

        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        weakref.finalize(self, os.close, descriptor)
        with suppress(OSError):  # of file systems that know no locks
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        return _is_named(descriptor, self.path)

    def pixels(self) -> Tensor:
        """All images, uint8 `[N, H, W, C]`: mapped into memory, so that processes share what was read."""
        if self._pixels is None:
            mapped = np.memmap(self.path, np.uint8, mode="c", shape=self.shape)
            self._pixels = torch.from_numpy(mapped)
        return self._pixels

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pixels": None}  # a worker maps the file itself


def default_folder() -> Path:
    """Where cache files go unless the recipe says it: $IMGFW_CACHE, or the user's cache folder."""
    own = os.environ.get("IMGFW_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imgfw"


def key_of(view: SplitView, resolved: ResolvedRecipe, fixed: Sequence[Node]) -> str:
    """What names the kept images of a split: a hash of all that they depend on.

    That is the files' names, sizes and times of change, the labels, the settings of the dataset and of the
    fixed transforms, and the versions of what reads, decodes and resizes.

    Raises:
        UsageError: the dataset does not tell its files and labels.
    """
    labels = view.labels()
    files = [Path(view.source_of(index)) for index in range(len(view))]
    if labels is None or not files[0].is_file():
        raise UsageError(
            f'loader.cache "disk" needs a dataset that tells the file and the label of each sample; '
            f"{resolved.data.provider.qualified} does not.",
            'Use "ram".',
        )
    nodes = [resolved.data, *fixed]
    settings = {
        "format": FORMAT,
        "nodes": [node.to_json() for node in nodes],
        "plugins": {node.provider.plugin: resolved.versions.get(node.provider.plugin) for node in nodes},
        "warp": resolved.recipe.transforms.warp,
        "versions": [module.__version__ for module in (imgfw, torch, torchvision, PIL)],
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for path, label in zip(files, labels.tolist(), strict=True):
        digest.update(f"\n{label} {_state_of(path)} ".encode() + os.fsencode(path))
    return digest.hexdigest()[:32]


def _state_of(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError:
        return "missing"
    return f"{stat.st_size} {stat.st_mtime_ns}"


def open_or_write(path: Path, source: Source, limit: float | None, say: Callable[[str], None]) -> CacheFile:
    """Open a file of kept images; make it first if it is missing or damaged.

    Another process that is making it is waited for. Only making it takes the right to write.

    Args:
        path: the file.
        source: makes the images; only asked if the file has to be made.
        limit: the most bytes of all files in the folder; None: half of what the disk has for them.
        say: told when a damaged file is made again.

    Raises:
        UsageError: there is no room, or the folder cannot be written.
    """
    found = _open(path)
    while found is None or not found.hold():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _alone(path.with_suffix(".part")) as part:
                found = _open(path) or _make(part, path, source, limit, say)
        except OSError as error:
            raise _cannot_be_made(path, error) from error
    with suppress(OSError):  # of a shared folder that others look after
        os.utime(path)
    return found


def _cannot_be_made(path: Path, error: OSError) -> UsageError:
    file = next((place for place in path.parents if place.exists() and not place.is_dir()), None)
    if file is not None:
        what = f"The folder of kept images, {path.parent}, cannot be made: {file} is a file."
    else:
        what = f"The cache file {path} cannot be made: {error.strerror or error}."
    return UsageError(what, "Set loader.cache_dir to a folder that can be written.")


@contextmanager
def _alone(part: Path) -> Iterator[IO[bytes]]:
    """A file to write to, while nobody else does; it is removed if it still has its name afterwards."""
    import fcntl

    while True:
        with part.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_named(file.fileno(), part):  # whoever had it removed it, or gave it its last name
                continue
            try:
                yield file
            finally:
                if _is_named(file.fileno(), part):
                    part.unlink()
            return


def _is_named(descriptor: int, path: Path) -> bool:
    """Whether an open file is what has that name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _make(
    part: IO[bytes], path: Path, source: Source, limit: float | None, say: Callable[[str], None]
) -> CacheFile:
    if path.exists():
        say(f"The cache file {path} is damaged; it is made again.")
    _make_room(path.parent, math.prod(source.shape), limit)
    digest = hashlib.sha256()
    part.truncate(0)
    for batch in source:
        pixels = batch.numpy().tobytes()
        digest.update(pixels)
        part.write(pixels)
    bad: list[BadRow] = [(sample.index, sample.source, sample.reason) for sample in source.bad]
    about = {"format": FORMAT, "shape": source.shape, "sha256": digest.hexdigest(), "bad": bad}
    text = json.dumps(about).encode()
    part.write(text + len(text).to_bytes(8, "little") + _MARK)
    part.flush()
    os.fsync(part.fileno())
    Path(part.name).replace(path)
    sync_folder(path.parent)
    return CacheFile(path, source.shape, bad)


def _open(path: Path) -> CacheFile | None:
    """A file as it was written; None if it is missing or damaged."""
    try:
        with path.open("rb") as file:
            about = _description(file)
            file.seek(0)
            if _digest(file, math.prod(about["shape"])) == about["sha256"]:
                return CacheFile(path, tuple(about["shape"]), [tuple(item) for item in about["bad"]])
    except (ValueError, KeyError, TypeError, OSError):
        pass
    return None


def _description(file: IO[bytes]) -> Mapping[str, Any]:
    """What a file says of itself; a ValueError, KeyError, TypeError or OSError tells of damage."""
    end = len(_MARK) + 8
    file.seek(-end, os.SEEK_END)
    length, mark = int.from_bytes(file.read(8), "little"), file.read()
    if mark != _MARK:
        raise ValueError("no mark")
    file.seek(-end - length, os.SEEK_END)
    about: Mapping[str, Any] = json.loads(file.read(length))
    if about["format"] != FORMAT:
        raise ValueError("another format")
    return about


def _digest(file: IO[bytes], count: int) -> str:
    """The SHA-256 of the next so many bytes."""
    digest = hashlib.sha256()
    while count and (chunk := file.read(min(count, _CHUNK))):
        digest.update(chunk)
        count -= len(chunk)
    return digest.hexdigest()


def _make_room(folder: Path, needed: int, limit: float | None) -> None:
    """Remove the files that were not used for longest, as many as must go; none that a run works with.

    Raises:
        UsageError: there is not enough room.
    """
    files = sorted((path.stat().st_mtime_ns, path) for path in folder.glob("*.images"))
    used = sum(path.stat().st_size for _, path in files)
    room = limit if limit is not None else (shutil.disk_usage(folder).free + used) / 2
    refuse_more_than(needed, room, f"the files in {folder}")
    for _, path in files:
        if used + needed <= room:
            return
        size = path.stat().st_size
        if _removed(path):
            used -= size
    refuse_more_than(needed, room - used, f"beside those in use the files in {folder}")


def _removed(path: Path) -> bool:
    """Remove a file unless a run works with it."""
    import fcntl

    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system that knows no locks
            pass
        path.unlink()
    return True


def refuse_more_than(needed: int, room: float, where: str) -> None:
    """Refuse to keep more than there is room for.

    Raises:
        UsageError: it is more.
    """
    if needed > room:
        raise UsageError(
            f"The images to keep take {in_units(needed)}, but {where} may take {in_units(room)}.",
            'Set loader.cache_gib higher, resize to less, or set loader.cache to "none".',
        )
