"""Telling what is done with plugins, for whoever looks for one that is not found or not used."""

from __future__ import annotations

import os
import sys

from imgfw.contract.terminal import printable

VARIABLE = "IMGFW_TRACE_PLUGINS"
"""The environment variable that asks for it."""


def narrate(sentence: str) -> None:
    """Say on stderr what was found, chosen, imported or given, if that is wanted."""
    if os.environ.get(VARIABLE, "") not in ("", "0"):
        print(printable(f"[plugins] {sentence}"), file=sys.stderr)
