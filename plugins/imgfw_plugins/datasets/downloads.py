"""Fetching a file of a public dataset, with a way out when that fails."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from imgfw import DataError

_SECONDS_WITHOUT_AN_ANSWER = 30
_CHUNK = 1 << 20


def fetch(urls: Sequence[str], target: Path, md5: str) -> None:
    """Download a file from the first address that serves it, and keep it when its checksum is right.

    The file appears whole under its name or not at all.

    Args:
        urls: addresses of the same file, tried in order.
        target: where to put it.
        md5: the expected checksum, 32 hexadecimal digits.

    Raises:
        DataError: no address served the right file; the message says how to do it by hand.
    """
    from http.client import HTTPException

    failures = []
    for url in urls:
        try:
            _download(url, target, md5)
            return
        except (HTTPException, OSError, ValueError) as error:
            failures.append(f"{url}: {getattr(error, 'reason', error)}")
    raise DataError(
        f"{target.name} could not be downloaded ({'; '.join(failures)}).",
        f"Fetch {urls[0]} on a machine with network, and put it into {target.parent}.",
    )


def _download(url: str, target: Path, md5: str) -> None:
    """Download one address to a file beside the target, then rename it.

    Raises:
        ValueError: the checksum is another one.
        OSError: the address does not answer, or the file cannot be written.
    """
    import hashlib
    import logging
    from urllib.request import urlopen

    logging.getLogger("imgfw").info("downloading %s", url)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.part")
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with urlopen(url, timeout=_SECONDS_WITHOUT_AN_ANSWER) as response, partial.open("wb") as file:
            while chunk := response.read(_CHUNK):
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != md5:
            raise ValueError(f"its md5 is {digest.hexdigest()}, expected {md5}")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
