"""Checkpoints: written aside, hashed, put in place whole; verified when they are read.

What is in their folders, and how these are looked after, is in `checkpoint_folder.py`.
"""

from __future__ import annotations

import json
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

from imgfw.contract.errors import DataError, DivergedError
from imgfw.contract.weight_names import without_wrappers
from imgfw.engine.saving.checkpoint_folder import (
    FILES,
    FORMAT,
    DamagedCheckpointError,
    aside_of,
    manifest_text,
    ordered,
    put_in_place,
    verify,
)
from imgfw.engine.saving.files import (
    cannot_write,
    error_number,
    json_text,
    refuse_full_disk,
    sync_file,
    write_atomically,
)
from imgfw.engine.saving.migrations import migrate
from imgfw.engine.saving.snapshot import Copier, Snapshot
from imgfw.engine.saving.state import decode


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint read back: the model's state dict and the run's state."""

    folder: Path
    model: dict[str, Tensor]
    state: dict[str, Any]


def save(folder: Path, model_state: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write a checkpoint so that it is there whole or not at all.

    Args:
        folder: its place; what stands there is replaced.
        model_state: the model's state dict.
        state: everything else, see `state.encode` for what it may hold.

    Raises:
        PluginError: the state holds something that cannot be saved; the message says where.
        DivergedError: a weight is not finite; nothing was written.
        ImgfwError: the disk is full or cannot be written; what was there before is untouched.
    """
    write(folder, Copier().take(model_state, state))


def write(folder: Path, snapshot: Snapshot) -> None:
    """Write what `save` writes, from a copy of it."""
    weights = snapshot.weights()
    _refuse_non_finite(folder, weights)
    document = json_text({"format": FORMAT, "state": snapshot.state_tree})
    aside = aside_of(folder)
    shutil.rmtree(aside, ignore_errors=True)
    try:
        refuse_full_disk(folder, snapshot.bytes + len(document))
        folder.parent.mkdir(exist_ok=True)  # not the run's folder: if that is gone, somebody removed it
        aside.mkdir()
        save_file(_separate(weights), aside / "model.safetensors")
        save_file(snapshot.state_storages, aside / "state.safetensors")
        write_atomically(aside / "state.json", document)
        for name in FILES[:2]:
            sync_file(aside / name)
        write_atomically(aside / "manifest.json", manifest_text(aside))
        put_in_place(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(aside, ignore_errors=True)
        rest = "the earlier checkpoints are whole, and the run can be resumed from them"
        raise cannot_write(folder, str(error), error_number(error), rest) from error


def _refuse_non_finite(folder: Path, weights: Mapping[str, Tensor]) -> None:
    for name, weight in weights.items():
        if weight.is_floating_point() and not bool(torch.isfinite(weight).all()):
            raise DivergedError(
                f"A weight is not finite ({name}); the checkpoint {folder} was not written.",
                "Lower optimizer.lr, or resume from the last checkpoint with another setting.",
            )


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


def load(folder: Path) -> Checkpoint:
    """Read a checkpoint after verifying it; what an earlier imgfw saved comes in today's form.

    Raises:
        DamagedCheckpointError: its files are not those that were written.
        NewerCheckpointError: it is of a later format.
    """
    found = verify(folder)
    try:
        document = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        state = decode(document["state"], load_file(folder / "state.safetensors"))
        model = load_file(folder / "model.safetensors")
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise DamagedCheckpointError(f"{folder} cannot be read: {error}.") from error
    return Checkpoint(folder, model, migrate(state, found, FORMAT))


def restore_weights(model: torch.nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put a checkpoint's weights into a model; all of them, or none.

    What `torch.compile`, DDP or an average of weights puts before their names is no difference.

    Raises:
        DataError: listing what is missing, unexpected, or of another shape.
    """
    own = model.state_dict()
    weights = without_wrappers(weights, own)
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
