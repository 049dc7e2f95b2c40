"""The `imgfw` command: one module a verb. Nothing is imported before the verb that needs it runs."""

from __future__ import annotations

import signal

from imgfw.cli.application import application


def main() -> None:
    """Run the `imgfw` command."""
    try:
        application(prog_name="imgfw")
    finally:
        _ignore_signals()


def _ignore_signals() -> None:
    """What was done is done: a signal while the process ends must not make it look as if it was stopped."""
    for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


__all__ = ["application", "main"]
