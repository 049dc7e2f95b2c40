"""Weights by choice: those that torchvision publishes, or a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def read_or_download(name: str, choice: bool | str | Path) -> tuple[dict[str, Tensor], str]:
    """The state dict that the setting `pretrained` asks for.

    Args:
        name: of the model, as torchvision calls it.
        choice: a file, a weights name, or true for torchvision's default.

    Returns:
        names and tensors, and where they came from, for messages.

    Raises:
        imgfw.DataError: for weights that cannot be read or downloaded.
    """
    from torchvision import models

    from imgfw_plugins.models.weight_files import download_weights, read_weights

    if isinstance(choice, Path):
        return read_weights(choice), str(choice)
    weights = models.get_model_weights(name)["DEFAULT" if choice is True else choice]
    return download_weights(weights), f"torchvision's {weights}"
