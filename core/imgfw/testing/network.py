"""A test that would reach the network fails instead."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_HERE = ("localhost", "127.0.0.1", "::1", "", None)


class NetworkBlockedError(OSError):
    """Something tried to reach the network in a test."""


@contextmanager
def no_network() -> Iterator[None]:
    """Refuse connections of this process to other machines; sockets on this machine still work.

    Raises (where something tries):
        NetworkBlockedError: naming the other machine.
    """
    saved = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo
    try:
        socket.socket.connect = _guarded(saved[0])  # type: ignore[method-assign]
        socket.socket.connect_ex = _guarded(saved[1])  # type: ignore[method-assign]
        socket.getaddrinfo = _guarded_lookup(saved[2])
        yield
    finally:
        socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo = saved  # type: ignore[method-assign]


def _guarded(connect: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _refuse_elsewhere(address[0])
        return connect(self, address)

    return guarded


def _guarded_lookup(look_up: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(host: Any, *args: Any, **kwargs: Any) -> Any:
        _refuse_elsewhere(host)
        return look_up(host, *args, **kwargs)

    return guarded


def _refuse_elsewhere(host: Any) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name not in _HERE and name != socket.gethostname():
        raise NetworkBlockedError(f"A test must not use the network, but something connects to {name}.")
