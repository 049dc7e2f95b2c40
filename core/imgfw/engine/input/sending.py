"""Moving batches to the device: at once, or ahead of their use on a stream of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from imgfw.engine.input.device_decoding import DeviceDecoder
    from imgfw.engine.input.loading import RawBatch


class Sender:
    """Sends batches to a GPU on a stream of its own, beside the work of the model.

    Args:
        device: the GPU.
        decoder: decodes what the fetcher left coded.
    """

    def __init__(self, device: torch.device, decoder: DeviceDecoder | None = None) -> None:
        self._device = device
        self._decoder = decoder
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def send(self, raw: RawBatch) -> torch.cuda.Event:
        """Begin to copy a batch; the event comes when it is there."""
        with torch.cuda.stream(self._stream):
            if self._decoder is not None:
                self._decoder.decode(raw)
            raw.images, raw.targets = to_device((raw.images, raw.targets), self._device)
            for partner in raw.partners:
                partner.images, partner.targets = to_device((partner.images, partner.targets), self._device)
            there: torch.cuda.Event = self._stream.record_event()
        return there

    def receive(self, raw: RawBatch, there: torch.cuda.Event) -> RawBatch:
        """Let the model's stream wait for a batch, and keep its memory until that stream is done with it."""
        stream = torch.cuda.current_stream(self._device)
        stream.wait_event(there)
        for batch in (raw, *raw.partners):
            map_tensors((batch.images, batch.targets), lambda tensor: _kept_for(stream, tensor))
        return raw


def _kept_for(stream: torch.cuda.Stream, tensor: Tensor) -> Tensor:
    if tensor.is_cuda:
        tensor.record_stream(stream)
    return tensor


def sent_ahead(sender: Sender, batches: Iterator[RawBatch]) -> Iterator[RawBatch]:
    """Batches that a sender has sent: each is begun before the one before it is handed on."""
    before: tuple[RawBatch, torch.cuda.Event] | None = None
    for raw in batches:
        there = sender.send(raw)
        if before is not None:
            yield sender.receive(*before)
        before = raw, there
    if before is not None:
        yield sender.receive(*before)


def to_device(value: Any, device: torch.device) -> Any:
    """Move every tensor within a value to a device, without waiting."""
    if isinstance(value, Tensor):  # alone and in place already, as every batch on a CPU
        return value if value.device == device else value.to(device, non_blocking=True)
    return map_tensors(value, lambda tensor: tensor.to(device, non_blocking=True))


def map_tensors(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Replace every tensor within nested lists, tuples and dicts."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: map_tensors(item, change) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_tensors(item, change) for item in value))
    if isinstance(value, list | tuple):
        return type(value)(map_tensors(item, change) for item in value)
    return value
