"""Comparing two runs by what they left, part by part."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from imgfw.contract.callback import Callback, Run
from imgfw.engine.saving import checkpoint

Leaves = dict[str, str]
"""Everything that a part holds, by path: a hash for a tensor, what Python writes for the rest."""

Parts = dict[str, Leaves]
"""The parts of a run by name."""


def of_run(folder: Path) -> Parts:
    """What a run ended with: its last state, its best model, and its figures."""
    last = checkpoint.load((folder / "checkpoints" / "last").resolve())
    best = folder / "checkpoints" / "best"
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    state = dict(last.state)
    types = [callback["type"] for callback in state["built_from"]["callbacks"]]
    callbacks = named(types, state.pop("callbacks"))
    parts = {
        "model": last.model,
        **{name: kept for name, kept in state.items() if kept},
        **callbacks,
        "best model": checkpoint.load(best.resolve()).model if best.exists() else {},
        "metrics.csv": (folder / "metrics.csv").read_text(encoding="utf-8").splitlines(),
        "test": summary["test"],
        "best": summary["best"],
    }
    return {name: dict(leaves(kept)) for name, kept in parts.items()}


def named(types: Sequence[str], items: Sequence[Any]) -> dict[str, Any]:
    """What belongs to the callbacks of a recipe, by what they are called."""
    return {
        f"callbacks[{number}] {kind}": item
        for number, (kind, item) in enumerate(zip(types, items, strict=True))
    }


def in_memory(callbacks: Mapping[str, Callback]) -> Parts:
    """What callbacks, by their names, keep in their attributes, whether they save it or not."""
    return {name: dict(leaves(vars(callback))) for name, callback in callbacks.items()}


def differing(expected: Parts, found: Parts) -> dict[str, str]:
    """The parts that are not the same, with the first difference within each."""
    differences = {}
    for name in dict.fromkeys((*expected, *found)):
        old, new = expected.get(name, {}), found.get(name, {})
        paths = [path for path in dict.fromkeys((*old, *new)) if old.get(path) != new.get(path)]
        if paths:
            path = paths[0]
            more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
            label = f"{path}: " if path else ""
            differences[name] = f"{label}{old.get(path, 'nothing')} -> {new.get(path, 'nothing')}{more}"
    return differences


def leaves(value: Any, path: str = "", around: tuple[int, ...] = ()) -> Iterator[tuple[str, str]]:
    """Everything within a value by its path; what refers to the run at large, and code, is left out."""
    is_code = callable(value) and not isinstance(value, nn.Module)
    if is_code or isinstance(value, Run) or id(value) in around:
        return
    around = (*around, id(value))
    if isinstance(value, Tensor):
        yield path, _hash(value)
    elif isinstance(value, str | bytes | bool | int | float | None):
        yield path, repr(value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else str(key), around)
    elif isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        for number, item in enumerate(items):
            yield from leaves(item, f"{path}[{number}]", around)
    elif isinstance(value, nn.Module):
        yield from leaves(value.state_dict(), path, around)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from leaves(asdict(value), path, around)


def _hash(tensor: Tensor) -> str:
    """The kind, shape and bytes of a tensor, in short."""
    data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    kind = f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"
    return f"{kind} {hashlib.sha256(data).hexdigest()[:12]}"
