"""What a task's records become for a person: a line of text, and files for what is an image itself."""

from __future__ import annotations

import colorsys
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgfw.contract.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

TENSOR = "_tensor"
"""How the keys of a record end whose values are tensors."""


class PredictionFiles:
    """Writes the tensors of records to files in a folder.

    Args:
        folder: where to write; None: nowhere, so that a record with tensors is an error.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self.written: set[Path] = set()

    def write(self, image: Path, record: Mapping[str, Any]) -> dict[str, Any]:
        """Write a record's tensors; in what is returned, the files' paths stand for them.

        Raises:
            UsageError: there are tensors, but no folder.
        """
        plain: dict[str, Any] = {}
        for key, value in record.items():
            if not key.endswith(TENSOR):
                plain[key] = value
                continue
            if self._folder is None:
                raise UsageError(
                    f"The predictions of this run hold a {key.removesuffix(TENSOR)} an image.",
                    "Name a folder for the files: --output DIR",
                )
            name = key.removesuffix(TENSOR)
            plain[name] = str(self._save(self._folder, f"{image.stem}.{name}", value))
        return plain

    def _save(self, folder: Path, stem: str, value: Tensor) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        is_mask = value.ndim == 2 and not value.is_floating_point()
        file = self._free_name(folder, stem, ".png" if is_mask else ".safetensors")
        if is_mask:
            save_mask(value, file)
        else:
            from safetensors.torch import save_file

            save_file({"value": value.contiguous()}, file)
        self.written.add(file)
        return file

    def _free_name(self, folder: Path, stem: str, suffix: str) -> Path:
        """A name that this command has not written yet: two images may be called alike."""
        file, number = folder / f"{stem}{suffix}", 2
        while file in self.written:
            file, number = folder / f"{stem}-{number}{suffix}", number + 1
        return file


def save_mask(mask: Tensor, file: Path) -> None:
    """Save class indices as a PNG: with a palette up to 256 classes, as 16-bit grey above."""
    import numpy as np
    from PIL import Image

    pixels = mask.cpu().numpy()
    if pixels.max(initial=0) > 255:
        Image.fromarray(pixels.astype(np.uint16)).save(file)
        return
    image = Image.fromarray(pixels.astype(np.uint8))
    image.putpalette(_palette())
    image.save(file)


def _palette() -> list[int]:
    """Black for class 0, then colours whose hues are a golden angle apart, so that neighbours differ."""
    colours = [0, 0, 0]
    for index in range(1, 256):
        red, green, blue = colorsys.hsv_to_rgb(index * 0.618034 % 1, 0.75, 0.95)
        colours += [round(255 * red), round(255 * green), round(255 * blue)]
    return colours


def text_of(record: Mapping[str, Any]) -> str:
    """A record as a line, or as several where it lists objects; one of a form not known here as JSON."""
    for keys, write in _FORMS:
        if keys <= record.keys():
            return write(record)
    return json.dumps(record, ensure_ascii=False)


def _class_text(record: Mapping[str, Any]) -> str:
    return f"{record['label']} ({record['probability']:.4f})"


def _classes_text(record: Mapping[str, Any]) -> str:
    probabilities = record["probabilities"]
    return ", ".join(f"{label} ({probabilities[label]:.4f})" for label in record["labels"]) or "no label"


def _objects_text(record: Mapping[str, Any]) -> str:
    objects = record["objects"]
    lines = [f"{len(objects)} {'object' if len(objects) == 1 else 'objects'}"]
    for item in objects:
        box = ", ".join(f"{edge:.1f}" for edge in item["box"])
        lines.append(f"  {item['label']} ({item['score']:.4f}) at {box}")
    return "\n".join(lines)


def _mask_text(record: Mapping[str, Any]) -> str:
    shares = sorted(record["classes"].items(), key=lambda item: -item[1])
    seen = ", ".join(f"{label} {share:.1%}" for label, share in shares if share > 0)
    return f"{record['mask']} ({seen})"


_FORMS: list[tuple[set[str], Callable[[Mapping[str, Any]], str]]] = [
    ({"label", "probability"}, _class_text),
    ({"labels", "probabilities"}, _classes_text),
    ({"objects"}, _objects_text),
    ({"classes", "mask"}, _mask_text),
]
"""The forms of record that have a text of their own, by the keys that tell them."""
