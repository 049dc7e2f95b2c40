"""Where weights come from: torchvision's downloads and the user's files. Nothing is ever unpickled freely."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgfw import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

SUFFIXES = (".safetensors", ".pth", ".pt")
_WRAPPERS = ("state_dict", "model")
_PREFIXES = ("module.", "_orig_mod.")


def check_source(setting: str, source: Path, names: Sequence[str]) -> None:
    """Refuse a path that is neither a weights file nor there, before anything is built.

    Args:
        setting: name of the setting, for the message.
        source: what the recipe says.
        names: the names of published weights that could have been meant.

    Raises:
        ValueError: if it is not called like a weights file.
        imgfw.DataError: if there is no such file.
    """
    if source.suffix not in SUFFIXES:
        published = f"one of {', '.join(names)}, or " if names else ""
        raise ValueError(
            f'{setting}: "{source.name}" names no weights; give {published}a file that ends in '
            f"{', '.join(SUFFIXES)}"
        )
    if not source.is_file():
        raise DataError(
            f"{setting}: there is no weights file {source}.",
            "Paths in a recipe are relative to the recipe's folder.",
        )


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a state dict from a .safetensors file, or from a .pth or .pt file that holds tensors only.

    A checkpoint's `state_dict` or `model` entry is taken out of it, and the prefixes that DataParallel and
    torch.compile add to names are removed.

    Raises:
        imgfw.DataError: for a file that is damaged, or holds anything besides tensors and plain containers.
    """
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch_file(path)
    state = _unwrap(content)
    if state is None:
        raise DataError(
            f"{path} holds no state dict (names and tensors).",
            'Save it with torch.save(model.state_dict(), "weights.pth").',
        )
    return _without_prefixes(state)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise DataError(f"{path} is no readable safetensors file: {error}.") from error


def _read_torch_file(path: Path) -> Any:
    from pickle import UnpicklingError

    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise DataError(
            f"{path} holds Python objects besides tensors, which could run code, so it is not loaded.",
            "Where you trust it, load it in Python and save its tensors with safetensors.torch.save_file.",
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} is no readable PyTorch file: {error}.") from error


def _unwrap(content: Any) -> dict[str, Tensor] | None:
    from torch import Tensor

    if not isinstance(content, dict):
        return None
    for wrapper in _WRAPPERS:
        if isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not content or not all(isinstance(each, Tensor) for each in content.values()):
        return None
    return content


def _without_prefixes(state: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in _PREFIXES * 2:
        if all(name.startswith(prefix) for name in state):
            state = _renamed(state, {name: name.removeprefix(prefix) for name in state})
    return state


def _renamed(state: dict[str, Tensor], names: dict[str, str]) -> dict[str, Tensor]:
    return {new: state[old] for old, new in names.items()}


def download_weights(weights: Any) -> dict[str, Tensor]:
    """Get weights that torchvision publishes, from its cache folder or the network, with its hash checked.

    Args:
        weights: a member of a torchvision weights enumeration.

    Raises:
        imgfw.DataError: if they can't be had; says which file to put where.
    """
    import sys
    from urllib.error import URLError

    from torch import hub

    try:
        return hub.load_state_dict_from_url(
            weights.url, map_location="cpu", progress=sys.stderr.isatty(), check_hash=True, weights_only=True
        )
    except (URLError, OSError, RuntimeError) as error:
        folder = Path(hub.get_dir()) / "checkpoints"
        file_name = weights.url.rsplit("/", 1)[-1]
        raise DataError(
            f"The weights {weights} could not be downloaded from {weights.url}: {error}.",
            f"Without a network, put that file at {folder / file_name}, or give "
            f'"pretrained" the path of a .safetensors or .pth file.',
        ) from error
