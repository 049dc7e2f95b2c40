"""What is in a checkpoint, by its metadata: no tensor is read, and neither torch nor a plugin is imported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from imgfw.contract.errors import DataError, UsageError
from imgfw.engine.saving.checkpoint_folder import FILES, LINKS, damage_of, ordered, read_manifest

_TENSOR_FILES = ("model.safetensors", "state.safetensors")


def inspect_run(folder: Path) -> dict[str, Any]:
    """The checkpoints of a run, the oldest first, and what `last` and `best` point at."""
    places = ordered(folder / "checkpoints")
    links = {name: folder / "checkpoints" / name for name in LINKS}
    marks = {name: link.readlink().name if link.is_symlink() else None for name, link in links.items()}
    entries = []
    for place in places:
        try:
            files = _files(place)
            problem = next((item["problem"] for item in files if item["problem"]), None)
            size = sum(item["bytes"] for item in files)
        except DataError as error:
            size, problem = 0, str(error)
        entries.append({"name": place.name, "bytes": size, "problem": problem})
    return {"format": 1, "run": str(folder), "checkpoints": entries, **marks}


def inspect_checkpoint(folder: Path, tensors: bool = False) -> dict[str, Any]:
    """What a checkpoint's metadata say, and whether each of its files is as it was written.

    Args:
        folder: the checkpoint's.
        tensors: list the name, dtype and shape of every tensor too.

    Raises:
        UsageError: the folder is no checkpoint.
        DataError: its manifest is damaged, or of a later imgfw.
    """
    folder = folder.resolve()
    if not any((folder / name).exists() for name in (*FILES, "manifest.json")):
        raise UsageError(f"{folder} is no folder of a checkpoint or a run.")
    manifest = read_manifest(folder)
    files = _files(folder)
    report = {
        "format": 1,
        "checkpoint": str(folder),
        "checkpoint_format": manifest["format"],
        "imgfw": manifest.get("imgfw"),
        "files": files,
        "problems": [item["problem"] for item in files if item["problem"]],
    }
    whole = {item["name"] for item in files if not item["problem"]}
    if "state.json" in whole:
        report |= _of_state(json.loads((folder / "state.json").read_text(encoding="utf-8"))["state"])
    if tensors:
        report["tensors"] = [
            {"file": name, **tensor}
            for name in _TENSOR_FILES
            if name in whole
            for tensor in _tensors(folder / name)
        ]
    return report


def _files(folder: Path) -> list[dict[str, Any]]:
    expected = read_manifest(folder)["files"]
    return [
        {"name": name, "bytes": entry["bytes"], "problem": damage_of(folder, name, entry)}
        for name, entry in expected.items()
    ]


def _of_state(state: dict[str, Any]) -> dict[str, Any]:
    """The figures of a run's state that a person asks for; its tensors stay in their file."""
    progress = state.get("progress", {})
    history = progress.get("history") or [{}]
    return {
        "step": progress.get("step"),
        "epochs": progress.get("epochs_done"),
        "samples": progress.get("samples_seen"),
        "finished": progress.get("finished"),
        "stop_reason": progress.get("stop"),
        "best": _plain(progress.get("best")),
        "metrics": _plain(history[-1]),
        "precision": state.get("precision"),
        "averaged": state.get("average") is not None,
        "environment": state.get("environment"),
        "plugins": state.get("versions"),
    }


def _plain(value: Any) -> Any:
    """Figures without the tree's notes of types: those that are not finite become numbers again."""
    if isinstance(value, dict):
        if value.get("$") == "float":
            return float(value["value"])
        return {key: _plain(item) for key, item in value.items()}
    return value


def _tensors(path: Path) -> list[dict[str, Any]]:
    """Name, dtype and shape of the tensors in a safetensors file, from its header."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return [
        {"name": name, "dtype": entry["dtype"], "shape": entry["shape"]}
        for name, entry in sorted(header.items())
        if name != "__metadata__"
    ]
