"""Checkpoints: a folder each, written aside, hashed, and put in place whole.

checkpoints/
    3/                  after 3 epochs (`3-step-120`: and 120 steps of the fourth)
        model.safetensors   the model's own keys
        state.safetensors   every other tensor
        state.json          everything else, as a typed tree
        manifest.json       size and SHA-256 of the others, written last
    last -> 3           best -> 2
"""

from __future__ import annotations

import errno
import json
import re
import shutil
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from imgfw.contract.errors import DataError, ImgfwError, PluginError
from imgfw.engine.files import replace_link, sha256, sync_file, sync_folder, write_json
from imgfw.engine.state import decode, encode

FORMAT = 1
_NAME = re.compile(r"[0-9]+(-step-[0-9]+)?")
_FILES = ("model.safetensors", "state.safetensors", "state.json")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint read back: the model's state dict and the run's state."""

    folder: Path
    model: dict[str, Tensor]
    state: dict[str, Any]


class DamagedCheckpointError(DataError):
    """A checkpoint's files are not what its manifest says."""


def save(folder: Path, model_state: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write a checkpoint so that it is there whole or not at all.

    Args:
        folder: its place; what stands there is replaced.
        model_state: the model's state dict.
        state: everything else, see `state.encode` for what it may hold.

    Raises:
        PluginError: the state holds something that cannot be saved; the message says where.
        ImgfwError: the disk is full or cannot be written; what was there before is untouched.
    """
    tree, tensors = _encoded(state)
    aside = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        save_file(_separate(model_state), aside / "model.safetensors")
        save_file(tensors, aside / "state.safetensors")
        write_json(aside / "state.json", {"format": FORMAT, "state": tree})
        for name in _FILES[:2]:
            sync_file(aside / name)
        manifest = {
            name: {"bytes": (aside / name).stat().st_size, "sha256": sha256(aside / name)} for name in _FILES
        }
        write_json(aside / "manifest.json", {"format": FORMAT, "files": manifest})
        _put_in_place(aside, folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(aside, ignore_errors=True)
        full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
        hint = "Free some space" if full else "Make the folder writable"
        raise ImgfwError(
            f"The checkpoint {folder} cannot be written: {error}.",
            f"{hint}; the earlier checkpoints are whole, and the run can be resumed from them.",
        ) from error


def _encoded(state: Mapping[str, Any]) -> tuple[Any, dict[str, Tensor]]:
    try:
        return encode(dict(state))
    except TypeError as error:
        raise PluginError(
            f"{error}.", "A state_dict holds numbers, strings, tensors, and lists and dicts of them."
        ) from None


def _put_in_place(aside: Path, folder: Path) -> None:
    """Rename a finished folder; what stands in its place is removed only once the new one is there."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    aside.rename(folder)
    sync_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _separate(model_state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors contiguous, and none sharing memory: what safetensors can hold."""
    seen: set[int] = set()
    separate = {}
    for name, tensor in model_state.items():
        tensor = tensor.detach().to("cpu").contiguous()
        address = tensor.untyped_storage().data_ptr()
        separate[name] = tensor.clone() if address in seen and tensor.numel() else tensor
        seen.add(address)
    return separate


def verify(folder: Path) -> None:
    """Compare every file of a checkpoint with its manifest.

    Raises:
        DamagedCheckpointError: naming the first that differs.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        files = manifest["files"]
        if manifest["format"] != FORMAT or set(files) != set(_FILES):
            raise DamagedCheckpointError(f"{folder} is no checkpoint of format {FORMAT}.")
        for name, expected in files.items():
            path = folder / name
            if path.stat().st_size != expected["bytes"] or sha256(path) != expected["sha256"]:
                raise DamagedCheckpointError(f"{path} is not the file that was written.")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedCheckpointError(f"{folder} is no whole checkpoint: {error}.") from error


def load(folder: Path) -> Checkpoint:
    """Read a checkpoint after verifying it.

    Raises:
        DamagedCheckpointError: its files are not those that were written.
    """
    verify(folder)
    document = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    state = decode(document["state"], load_file(folder / "state.safetensors"))
    return Checkpoint(folder, load_file(folder / "model.safetensors"), state)


def restore_weights(model: torch.nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put a checkpoint's weights into a model; all of them, or none.

    Raises:
        DataError: listing what is missing, unexpected, or of another shape.
    """
    own = model.state_dict()
    missing = [name for name in own if name not in weights]
    unexpected = [name for name in weights if name not in own]
    shapes = [
        f"{name} is {list(weights[name].shape)} instead of {list(own[name].shape)}"
        for name in own
        if name in weights and weights[name].shape != own[name].shape
    ]
    differences = [
        f"{label}: {', '.join(names[:5])}{' …' if len(names) > 5 else ''}"
        for label, names in (("missing", missing), ("unexpected", unexpected), ("shapes", shapes))
        if names
    ]
    if differences:
        raise DataError(
            f"The checkpoint's weights don't fit the model ({'; '.join(differences)}).",
            "Was the model's code changed since?",
        )
    state = OrderedDict(weights)
    # Some models convert older weights by the version that torch notes here; these are of today's version.
    state._metadata = getattr(own, "_metadata", None)  # type: ignore[attr-defined]
    model.load_state_dict(state)


def load_newest(checkpoints: Path) -> tuple[Checkpoint, list[str]]:
    """Read the newest whole checkpoint of a run.

    Returns:
        the checkpoint, and a sentence for every newer one that is damaged.

    Raises:
        DataError: there is no whole checkpoint.
    """
    damaged: list[str] = []
    for folder in reversed(ordered(checkpoints)):
        try:
            return load(folder), damaged
        except DamagedCheckpointError as error:
            damaged.append(f"{error} It is left out.")
    reason = " ".join(damaged) or "It was stopped before the first was saved."
    raise DataError(f"{checkpoints} holds no whole checkpoint. {reason}", "Start the run again.")


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


def mark(checkpoints: Path, link: str, folder: Path) -> None:
    """Point `last` or `best` at a checkpoint."""
    replace_link(checkpoints / link, folder.name)


def rotate(checkpoints: Path, keep: int) -> None:
    """Remove all but the newest checkpoints and those that `last` and `best` point at."""
    marked = {(checkpoints / link).resolve() for link in ("last", "best") if (checkpoints / link).exists()}
    for folder in ordered(checkpoints)[:-keep]:
        if folder.resolve() not in marked:
            shutil.rmtree(folder)


def has_finite_weights(model: torch.nn.Module) -> bool:
    """Whether every weight of a model is a finite number."""
    return all(
        bool(torch.isfinite(tensor).all())
        for tensor in model.state_dict().values()
        if tensor.is_floating_point()
    )
