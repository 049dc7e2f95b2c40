"""The folders of checkpoints: manifests, order, links, rotation. Nothing here knows tensors, or needs torch.

checkpoints/
    3/                  after 3 epochs (`3-step-120`: and 120 steps of the fourth)
        model.safetensors   the model's own keys
        state.safetensors   every other tensor
        state.json          everything else, as a typed tree
        manifest.json       size and SHA-256 of the others, and of itself, written last
    last -> 3           best -> 2
    .4.tmp/             being written
    .3.old/             about to be replaced
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

from imgfw import __version__
from imgfw.contract.errors import DataError
from imgfw.engine.saving.files import json_text, replace_link, sha256, sync_folder

FORMAT = 2
"""Of what is written; `migrations.py` brings what earlier versions wrote up to it."""

FILES = ("model.safetensors", "state.safetensors", "state.json")
LINKS = ("last", "best")
_NAME = re.compile(r"[0-9]+(-step-[0-9]+)?")


class DamagedCheckpointError(DataError):
    """A checkpoint's files are not what its manifest says."""


class NewerCheckpointError(DataError):
    """A later imgfw wrote the checkpoint, in a format that this one does not know."""


def manifest_text(folder: Path) -> str:
    """What manifest.json says of the files in a folder."""
    manifest = {
        "format": FORMAT,
        "imgfw": __version__,
        "files": {
            name: {"bytes": (folder / name).stat().st_size, "sha256": sha256(folder / name)} for name in FILES
        },
    }
    return json_text(manifest | {"sha256": _own_hash(manifest)})


def _own_hash(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read manifest.json, and make sure that it is as it was written.

    Raises:
        DamagedCheckpointError: it is not.
        NewerCheckpointError: it is of a later format.
    """
    if not (folder / "manifest.json").exists():
        raise DamagedCheckpointError(f"{folder} is no whole checkpoint: its manifest.json is missing.")
    try:
        text = (folder / "manifest.json").read_bytes().decode()
        manifest = json.loads(text)
        found = manifest["format"]
        genuine = json_text(manifest) == text
        if found != 1:  # the first format's had no hash of its own
            rest = {key: value for key, value in manifest.items() if key != "sha256"}
            genuine = genuine and manifest["sha256"] == _own_hash(rest)
        elif set(manifest) != {"format", "files"}:
            genuine = False
        if not genuine:
            raise DamagedCheckpointError(f"{folder / 'manifest.json'} is not the file that was written.")
        if found > FORMAT:
            raise NewerCheckpointError(
                f"{folder} was written by imgfw {manifest['imgfw']} in format {found}; "
                f"imgfw {__version__} knows formats up to {FORMAT}.",
                "Upgrade: pip install --upgrade imgfw",
            )
        if set(manifest["files"]) != set(FILES):
            raise DamagedCheckpointError(f"{folder} is no whole checkpoint: its manifest lists other files.")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedCheckpointError(f"{folder} is no whole checkpoint: {error}.") from error
    return manifest  # type: ignore[no-any-return]


def damage_of(folder: Path, name: str, expected: dict[str, Any]) -> str | None:
    """What is wrong with one file of a checkpoint, by its manifest's entry; None: nothing."""
    path = folder / name
    try:
        if path.stat().st_size == expected["bytes"] and sha256(path) == expected["sha256"]:
            return None
    except (OSError, KeyError, TypeError) as error:
        return f"{folder} is no whole checkpoint: {error}."
    return f"{path} is not the file that was written."


def verify(folder: Path) -> int:
    """Compare every file of a checkpoint with its manifest.

    Returns:
        the format that it is in.

    Raises:
        DamagedCheckpointError: naming the first file that differs.
        NewerCheckpointError: it is of a later format.
    """
    manifest = read_manifest(folder)
    for name, expected in manifest["files"].items():
        damage = damage_of(folder, name, expected)
        if damage is not None:
            raise DamagedCheckpointError(damage)
    return int(manifest["format"])


def is_whole(folder: Path) -> bool:
    """Whether every file of a checkpoint is as it was written."""
    try:
        verify(folder)
    except DataError:
        return False
    return True


def ordered(checkpoints: Path) -> list[Path]:
    """The checkpoints of a run, the oldest first."""
    if not checkpoints.is_dir():
        return []
    return sorted((item for item in checkpoints.iterdir() if _NAME.fullmatch(item.name)), key=_position)


def _position(folder: Path) -> tuple[int, int]:
    epochs, _, steps = folder.name.partition("-step-")
    return int(epochs), int(steps or 0)


def name_of(epochs: int, steps: int) -> str:
    """The name of the checkpoint after a number of epochs and some steps of the next."""
    return f"{epochs}-step-{steps}" if steps else str(epochs)


def aside_of(folder: Path) -> Path:
    """Where a checkpoint is written before it is put in place."""
    return folder.with_name(f".{folder.name}.tmp")


def put_in_place(folder: Path) -> None:
    """Rename a finished folder; what stands in its place is removed only once the new one is there."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    aside_of(folder).rename(folder)
    sync_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def clean_up(checkpoints: Path) -> None:
    """Remove what a killed process left half done; bring back what it was about to replace."""
    if not checkpoints.is_dir():
        return
    for item in list(checkpoints.iterdir()):
        name, _, ending = item.name.removeprefix(".").rpartition(".")
        if item.name != f".{name}.{ending}" or not (_NAME.fullmatch(name) or name in LINKS):
            continue
        if ending == "old" and not (checkpoints / name).exists():
            item.rename(checkpoints / name)
        elif ending in ("old", "tmp"):
            item.unlink() if item.is_symlink() else shutil.rmtree(item)


def mark(checkpoints: Path, link: str, folder: Path) -> None:
    """Point `last` or `best` at a checkpoint."""
    replace_link(checkpoints / link, folder.name)


def rotate(checkpoints: Path, keep: int) -> None:
    """Remove all but the newest checkpoints, those that `last` and `best` point at, and the newest whole."""
    marked = {(checkpoints / link).resolve() for link in LINKS if (checkpoints / link).exists()}
    folders = ordered(checkpoints)
    newest = folders[-keep:]
    old = [folder for folder in folders[:-keep] if folder.resolve() not in marked]
    if old:
        kept = [folder for folder in folders if folder in newest or folder.resolve() in marked]
        whole = next((folder for folder in [*kept[::-1], *old[::-1]] if is_whole(folder)), None)
        for folder in old:
            if folder != whole:
                shutil.rmtree(folder)
