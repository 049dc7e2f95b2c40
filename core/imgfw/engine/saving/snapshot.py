"""Copies of a run's state in memory, so that training goes on while they are written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from imgfw.contract.errors import PluginError
from imgfw.engine.saving.state import decode, encode


@dataclass(frozen=True)
class Snapshot:
    """A state as it was: what happens to the model afterwards does not reach it.

    Attributes:
        state_tree: everything but the model's weights, as a typed tree.
        state_storages: the tensors of that, on the CPU; they are complete once `weights` was called.
    """

    state_tree: Any
    state_storages: dict[str, Tensor]
    _model_tree: Any
    _model_storages: dict[str, Tensor]
    _copied: torch.cuda.Event | None

    @property
    def bytes(self) -> int:
        """Size of all tensors."""
        return sum(
            tensor.nbytes for part in (self._model_storages, self.state_storages) for tensor in part.values()
        )

    def weights(self) -> dict[str, Tensor]:
        """The model's state dict, on the CPU; waits until a GPU has copied all of the state."""
        if self._copied is not None:
            self._copied.synchronize()
        return decode(self._model_tree, self._model_storages)  # type: ignore[no-any-return]


class Copier:
    """Takes snapshots into the memory of the one before: fresh memory costs more than the copying itself.

    A snapshot is valid until the next is taken.
    """

    def __init__(self) -> None:
        self._free: dict[tuple[Any, ...], list[Tensor]] = {}
        self._taken: defaultdict[tuple[Any, ...], list[Tensor]] = defaultdict(list)
        self._on_gpu = False

    def take(self, model_state: Mapping[str, Tensor], state: Mapping[str, Any]) -> Snapshot:
        """Copy a model's state dict and the rest of a run's state.

        Raises:
            PluginError: they hold something that cannot be saved; the message says where.
        """
        self._free, self._taken = self._taken, defaultdict(list)
        self._on_gpu = False
        try:
            model_tree, model_storages = encode(dict(model_state), self._copy)
            state_tree, state_storages = encode(dict(state), self._copy)
        except TypeError as error:
            raise PluginError(
                f"{error}.", "A state_dict holds numbers, strings, tensors, and lists and dicts of them."
            ) from None
        copied = None
        if self._on_gpu:
            copied = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
            copied.record()
        return Snapshot(state_tree, state_storages, model_tree, model_storages, copied)

    def _copy(self, storage: Tensor) -> Tensor:
        """Copy a one-dimensional tensor to the CPU; from a GPU, only once its present work is done."""
        key = (storage.dtype, len(storage), storage.is_cuda)
        free = self._free.get(key)
        copy = free.pop() if free else torch.empty_like(storage, device="cpu", pin_memory=storage.is_cuda)
        self._taken[key].append(copy)
        if storage.device.type == "cpu":
            # torch would wake its threads for it, which takes longer than the copy where cores are busy.
            np.copyto(copy.view(torch.uint8).numpy(), storage.view(torch.uint8).numpy())
        else:
            copy.copy_(storage, non_blocking=storage.is_cuda)
            self._on_gpu = self._on_gpu or storage.is_cuda
        return copy
