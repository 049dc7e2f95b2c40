"""Text from outside (a recipe, a file's name, a plugin) as a terminal may be given it."""

from __future__ import annotations

import re

_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters save tab and newline, what turns the direction of writing, and lone surrogates."""


def printable(text: str) -> str:
    """The text with JSON's escape for each character that would steer a terminal or cannot be written."""
    return _STEERING.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
