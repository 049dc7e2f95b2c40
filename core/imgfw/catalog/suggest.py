"""Guessing what a wrong name was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question that names the closest known words, or an empty string."""
    words = sorted(set(known))
    same = [name for name in words if _letters(name) == _letters(word)]
    close = same or difflib.get_close_matches(word.lower(), words, n=3, cutoff=0.6)
    if not close:
        close = [name for name in words if len(word) >= 3 and word.lower() in name][:3]
    return f"Did you mean {_join_or(close)}?" if close else ""


def _letters(word: str) -> str:
    """A word without what people write in different ways: `RandomCrop`, `random-crop`, `random_crop`."""
    return "".join(letter for letter in word.lower() if letter.isalnum())


def _join_or(words: list[str]) -> str:
    quoted = [f'"{word}"' for word in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
