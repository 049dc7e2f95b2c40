"""Moving batches to the device: at once, or ahead of their use on a stream of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from imgfw.engine.input.loading import RawBatch

Sent = tuple["RawBatch", "torch.cuda.Event | None"]
"""A batch, and what comes when the device has done its part."""


class Sender:
    """Makes batches ready on a stream of their own, beside the work of the model.

    Args:
        device: where to. Only a GPU has streams; elsewhere all is done at once.
        make_ready: does it, within the batch.
    """

    def __init__(self, device: torch.device, make_ready: Callable[[RawBatch], None]) -> None:
        self._device = device
        self._make_ready = make_ready
        self._stream = (
            torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            if device.type == "cuda"
            else None
        )

    def send_next(self, batches: Iterator[RawBatch]) -> Sent | None:
        """Fetch the next batch and begin to make it ready; None where there is none."""
        if self._stream is None:
            return self._send(batches)
        with torch.cuda.stream(self._stream):
            return self._send(batches)

    def _send(self, batches: Iterator[RawBatch]) -> Sent | None:
        raw = next(batches, None)
        if raw is None:
            return None
        with suppress(torch.OutOfMemoryError):  # the step tries again, and knows what to do without memory
            self._make_ready(raw)
        return raw, self._stream.record_event() if self._stream is not None else None

    def receive(self, sent: Sent) -> RawBatch:
        """Let the model's stream wait for a batch, and keep its memory until that stream is done with it."""
        raw, there = sent
        if there is not None:
            stream = torch.cuda.current_stream(self._device)
            stream.wait_event(there)
            map_tensors(raw.tensors(), lambda tensor: _kept_for(stream, tensor))
        return raw


def _kept_for(stream: torch.cuda.Stream, tensor: Tensor) -> Tensor:
    if tensor.is_cuda:
        tensor.record_stream(stream)
    return tensor


def sent_ahead(sender: Sender, batches: Iterator[RawBatch]) -> Iterator[RawBatch]:
    """Batches that a sender has sent: each is begun before the one before it is handed on."""
    before = sender.send_next(batches)
    while before is not None:
        following = sender.send_next(batches)
        yield sender.receive(before)
        before = following


class BackgroundSender:
    """Sends each batch from a thread, at a moment when the one that trains has nothing to do.

    A step's backward pass runs in a thread of torch's own, which starts the kernels of its work one by one,
    while the thread that called it waits. That is time enough to start those of the next batch: in a small
    network's step they cost the host as much as the model's.

    Args:
        sender: does the work.
        batches: the batches.
        thread: one thread, which does all that was begun.
    """

    def __init__(self, sender: Sender, batches: Iterator[RawBatch], thread: ThreadPoolExecutor) -> None:
        self._sender = sender
        self._batches = batches
        self._thread = thread
        self._pending: Future[Sent | None] | None = None

    def begin_next(self) -> None:
        """Begin the next batch, if that is not done yet."""
        if self._pending is None:
            self._pending = self._thread.submit(self._sender.send_next, self._batches)

    def __iter__(self) -> Iterator[RawBatch]:
        return self

    def __next__(self) -> RawBatch:
        if self._pending is None:
            sent = self._sender.send_next(self._batches)
        else:
            try:
                sent = self._pending.result()
            finally:  # a signal may come while the thread is at work: `close` waits for it then
                if self._pending.done():
                    self._pending = None
        if sent is None:
            raise StopIteration
        return self._sender.receive(sent)

    def close(self, patience: float | None = None) -> None:
        """Wait until the thread leaves the batches alone; what it has begun is of no use any more.

        Args:
            patience: seconds after which a data worker that hangs is left to whoever ends it; the thread ends
                then, too. None: the batches' loader is to be used again, so that it must be left alone.
        """
        if self._pending is not None:
            wait([self._pending], patience)
            self._pending = None


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
