"""The processes of a run, as torchrun starts them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

TIMEOUT = timedelta(minutes=10)


def start() -> None:
    """Join the other processes, where torchrun started several."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        backend = "cuda:nccl,cpu:gloo" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, timeout=TIMEOUT)


def stop() -> None:
    """Leave the other processes."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """This process's number."""
    return dist.get_rank() if dist.is_initialized() else 0


def local_rank() -> int:
    """This process's number on its machine: the number of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def world_size() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_main() -> bool:
    """Whether this process writes files and messages."""
    return rank() == 0


def sum_over_processes(value: Tensor) -> Tensor:
    """Add a tensor up over all processes, in place."""
    if world_size() > 1:
        dist.all_reduce(value)
    return value


def share_buffers(model: nn.Module) -> None:
    """Give every process the main one's buffers: a batch norm keeps its own statistics in each."""
    if world_size() > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)


def any_process(flag: int) -> int:
    """The largest of all processes' numbers."""
    if world_size() == 1:
        return flag
    value = torch.tensor(flag)
    dist.all_reduce(value, op=dist.ReduceOp.MAX)
    return int(value)


def wait_for_all() -> None:
    """Wait until every process is here."""
    if world_size() > 1:
        any_process(0)


@contextmanager
def main_first() -> Iterator[None]:
    """Let the main process do something first, and then the others."""
    if not is_main():
        wait_for_all()
    yield
    if is_main():
        wait_for_all()


def share_text(text: str) -> str:
    """The main process's text, in every process (tensor collectives only: nothing is unpickled)."""
    if world_size() == 1:
        return text
    data = text.encode() if is_main() else b""
    length = torch.tensor(len(data))
    dist.broadcast(length, 0)
    if not length:
        return ""
    content = torch.zeros(int(length), dtype=torch.uint8)
    if is_main():
        content = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    dist.broadcast(content, 0)
    return bytes(content.tolist()).decode()
