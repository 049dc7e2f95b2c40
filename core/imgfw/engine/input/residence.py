"""Data in memory, on the GPU: indexed there a batch at a time, so that only indices are sent."""

from __future__ import annotations

import torch

from imgfw.contract.dataset import InMemory
from imgfw.engine.input.splits import SplitView

_SHARE = 4
"""Data may take one part in so many of the free memory: the model needs the rest."""


def fits(view: SplitView, device: torch.device) -> bool:
    """Whether a split's data can be on the device: it is one tensor, and there is room."""
    data = view.dataset
    if device.type != "cuda" or not isinstance(data, InMemory):
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return bool(_SHARE * (data.images.nbytes + data.targets.nbytes) <= free)


class Residence:
    """Puts the data of splits on a device; splits that were cut from the same data share it.

    Args:
        device: the device.
        memory_format: of the images there, so that no batch has to be rearranged.
    """

    def __init__(self, device: torch.device, memory_format: torch.memory_format) -> None:
        self._device = device
        self._memory_format = memory_format
        self._moved: dict[int, InMemory] = {}

    def has(self, view: SplitView) -> bool:
        """Whether a split's data is there already, since another was cut from the same."""
        return id(view.dataset) in self._moved

    def of(self, view: SplitView) -> SplitView:
        """A split that fits, with its data on the device."""
        data = view.dataset
        assert isinstance(data, InMemory)
        if not self.has(view):
            self._moved[id(data)] = data.to(self._device, self._memory_format)
        return SplitView(view.name, self._moved[id(data)], view.indices, view.cut_from)
