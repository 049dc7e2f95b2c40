"""The `imgfw` command: one module a verb. Nothing is imported before the verb that needs it runs."""

from __future__ import annotations

from imgfw.cli.application import application


def main() -> None:
    """Run the `imgfw` command."""
    application(prog_name="imgfw")


__all__ = ["application", "main"]
