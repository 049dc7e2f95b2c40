"""State as safetensors and a typed JSON tree: what goes in comes back equal, and nothing is unpickled.

JSON alone loses integer keys, tuples and which tensors share memory; a MultiStepLR whose milestones went
through it resumes with the wrong rate. So every value that JSON cannot hold is an object with one key, "$",
that says what it is. Tensors are saved by storage, once each, with the shape, strides and offset of every
view: momentum buffers in channels-last come back in channels-last, and aliases come back as aliases.
"""

from __future__ import annotations

import base64
import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

_PLAIN = (str, bool, int, type(None))


def _copy_to_cpu(storage: Tensor) -> Tensor:
    return storage.to("cpu", copy=True)


def encode(tree: Any, copy: Callable[[Tensor], Tensor] = _copy_to_cpu) -> tuple[Any, dict[str, Tensor]]:
    """Split a state into JSON data and flat tensors.

    Args:
        tree: nested dicts, lists, tuples, sets, numbers, strings, bytes, tensors.
        copy: copies a one-dimensional tensor to the CPU.

    Returns:
        the JSON data, and the storages of its tensors by name: one-dimensional, on the CPU.

    Raises:
        TypeError: something else is in it; the message says where.
    """
    encoder = _Encoder(copy)
    return encoder.encode(tree, "state"), encoder.storages


class _Encoder:
    def __init__(self, copy: Callable[[Tensor], Tensor]) -> None:
        self._copy = copy
        self.storages: dict[str, Tensor] = {}
        self._names: dict[tuple[torch.device, int, torch.dtype], str] = {}
        self._kept: list[Tensor] = []  # keeps storages alive, so that their addresses stay theirs

    def encode(self, value: Any, where: str) -> Any:
        if isinstance(value, Tensor):
            return self._tensor(value, where)
        if isinstance(value, _PLAIN):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"$": "float", "value": repr(float(value))}
        if isinstance(value, bytes):
            return {"$": "bytes", "value": base64.b64encode(value).decode()}
        if isinstance(value, Mapping):
            return self._mapping(value, where)
        if isinstance(value, list):
            return self._items(value, where)
        if isinstance(value, tuple):
            return {"$": "tuple", "items": self._items(value, where)}
        if isinstance(value, set):  # in an order of its own: equal states are saved alike
            return {"$": "set", "items": self._items(sorted(value, key=repr), where)}
        if isinstance(value, deque):
            return {"$": "deque", "items": self._items(value, where), "maxlen": value.maxlen}
        raise TypeError(f"{where} holds {type(value).__name__}, which cannot be saved without pickle")

    def _items(self, values: Iterable[Any], where: str) -> list[Any]:
        return [self.encode(item, f"{where}[{number}]") for number, item in enumerate(values)]

    def _mapping(self, value: Mapping[Any, Any], where: str) -> Any:
        if all(isinstance(key, str) and key != "$" for key in value) and type(value) is dict:
            return {key: self.encode(item, f"{where}.{key}") for key, item in value.items()}
        pairs = [
            [self.encode(key, f"{where} key"), self.encode(item, f"{where}[{key!r}]")]
            for key, item in value.items()
        ]
        return {"$": "ordered" if isinstance(value, OrderedDict) else "dict", "pairs": pairs}

    def _tensor(self, value: Tensor, where: str) -> Any:
        if value.layout != torch.strided:
            raise TypeError(f"{where} holds a tensor of layout {value.layout}, which cannot be saved")
        value = value.detach()
        storage = value.untyped_storage()
        key = (value.device, storage.data_ptr() or id(value), value.dtype)
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = f"t{len(self._names)}"
            self._kept.append(value)
            length = storage.nbytes() // value.element_size()
            self.storages[name] = self._copy(torch.as_strided(value, (length,), (1,), 0))
        return {
            "$": "tensor",
            "name": name,
            "shape": list(value.shape),
            "stride": list(value.stride()),
            "offset": value.storage_offset(),
        }


def decode(data: Any, storages: Mapping[str, Tensor]) -> Any:
    """Put together again what `encode` split.

    Raises:
        ValueError: the data is not what `encode` makes.
    """
    if isinstance(data, list):
        return [decode(item, storages) for item in data]
    if not isinstance(data, dict):
        return data
    if "$" not in data:
        return {key: decode(item, storages) for key, item in data.items()}
    match data["$"]:
        case "tensor":
            return torch.as_strided(storages[data["name"]], data["shape"], data["stride"], data["offset"])
        case "float":
            return float(data["value"])
        case "bytes":
            return base64.b64decode(data["value"])
        case "dict" | "ordered":
            pairs = [(decode(key, storages), decode(item, storages)) for key, item in data["pairs"]]
            return dict(pairs) if data["$"] == "dict" else OrderedDict(pairs)
        case "tuple":
            return tuple(decode(data["items"], storages))
        case "set":
            return set(decode(data["items"], storages))
        case "deque":
            return deque(decode(data["items"], storages), data["maxlen"])
        case other:
            raise ValueError(f"{other!r} is no type of this format")
