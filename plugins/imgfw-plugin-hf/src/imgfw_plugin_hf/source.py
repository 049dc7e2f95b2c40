"""Where something of Hugging Face's comes from: the Hub, or a folder; and why it cannot be had."""

from __future__ import annotations

from pathlib import Path

from imgfw import DataError


def check_source(path: str | None, folder: Path | None) -> str:
    """What a recipe names: a repository of the Hub, or a folder that exists.

    Args:
        path: the setting `path`, a repository's name.
        folder: the setting `folder`.

    Raises:
        ValueError: it names neither or both.
        imgfw.DataError: there is no such folder.
    """
    if (path is None) == (folder is None):
        raise ValueError('give "path", the name of a repository on the Hub, or "folder", one of the two')
    if folder is None:
        return str(path)
    if not folder.is_dir():
        raise DataError(
            f"{folder} is not a folder.", "Paths in a recipe are relative to the recipe's folder."
        )
    return str(folder)


def unreachable(what: str, source: str, error: Exception) -> DataError:
    """The error for something of the Hub that cannot be had."""
    return DataError(
        f"{what} {source} cannot be had from the Hub: {one_line(error)}.",
        "If it is private or gated: hf auth login. Without a network: what was used before is in Hugging "
        'Face\'s cache (HF_HOME), and "folder" names a local copy.',
    )


def one_line(error: Exception) -> str:
    """What an error says, in one line of a length that can be read."""
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return text if len(text) <= 400 else f"{text[:400]} …"
