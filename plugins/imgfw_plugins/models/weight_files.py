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
_MOST_BYTES = 4_000_000_000
"""Of published weights; the largest have 2.6 GB."""


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
    for name, tensor in state.items():
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise DataError(f"{path}: the tensor {name} claims more values than the file holds.")
    return _without_prefixes(state)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, TypeError, RuntimeError) as error:
        raise DataError(f"{path} is no readable safetensors file: {error}.") from error


def _read_torch_file(path: Path) -> Any:
    from pickle import UnpicklingError

    import torch

    _refuse_packed(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise DataError(
            f"{path} holds Python objects besides tensors, which could run code, so it is not loaded.",
            "Where you trust it, load it in Python and save its tensors with safetensors.torch.save_file.",
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} is no readable PyTorch file: {error}.") from error


def _refuse_packed(path: Path) -> None:
    """Refuse an archive that would grow when it is read: torch.save packs nothing, yet torch.load unpacks.

    Raises:
        imgfw.DataError: a part of it is compressed, or shares its bytes with another.
    """
    from zipfile import ZIP_STORED, BadZipFile, ZipFile, is_zipfile

    if not is_zipfile(path):
        return  # a file of torch before 1.6, which cannot be packed
    try:
        with ZipFile(path) as archive:
            parts = archive.infolist()
    except (BadZipFile, NotImplementedError) as error:
        raise DataError(f"{path} is no readable PyTorch file: {error}.") from error
    packed = any(part.compress_type != ZIP_STORED for part in parts)
    if packed or sum(part.file_size for part in parts) > path.stat().st_size:
        raise DataError(f"{path} is larger unpacked than it is, which no file of torch.save is.")


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
    """Get weights that torchvision publishes, from torch's cache folder or the network.

    Their name holds the beginning of their SHA-256, by which a download is checked.

    Args:
        weights: a member of a torchvision weights enumeration.

    Raises:
        imgfw.DataError: if they can't be had; says which file to put where.
    """
    from torch import hub

    from imgfw_plugins.datasets.downloads import fetch

    name = weights.url.rsplit("/", 1)[-1]
    target = Path(hub.get_dir()) / "checkpoints" / name
    if not target.is_file():
        sha256 = name.rpartition("-")[2].partition(".")[0]
        fetch([weights.url], target, f"sha256:{sha256}", max_bytes=_MOST_BYTES)
    return _read_torch_file(target)  # type: ignore[no-any-return]
