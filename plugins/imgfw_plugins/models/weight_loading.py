"""Putting weights into a model: all of them, save a head made for another number of classes."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from imgfw import DataError, without_wrappers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import Tensor, nn

_LISTED = 5


def load_weights(model: nn.Module, state: Mapping[str, Tensor], *, head: Sequence[str], source: str) -> None:
    """Load a state dict into a model.

    Tensors of the head whose first dimension alone differs are left as they are: the file was trained on
    another number of classes. What `torch.compile`, DDP or an average of weights puts before the names is no
    difference. Batch counters (`num_batches_tracked`), which old files lack, stay zero.

    Args:
        model: changed in place.
        state: names and tensors. Version notes that torch files carry are honoured, so old names work.
        head: prefixes of the names whose size depends on the number of classes.
        source: where the weights came from, for messages.

    Raises:
        imgfw.DataError: listing what is missing, what is too much, and what has another shape.
    """
    own = model.state_dict()
    notes = getattr(state, "_metadata", own._metadata)  # type: ignore[attr-defined]
    state = without_wrappers(state, own)
    differing = {
        name: tensor for name, tensor in state.items() if name in own and own[name].shape != tensor.shape
    }
    skipped = {
        name
        for name, tensor in differing.items()
        if name.startswith(tuple(head)) and tensor.shape[1:] == own[name].shape[1:]
    }
    usable = OrderedDict((name, tensor) for name, tensor in state.items() if name not in differing)
    usable._metadata = notes  # type: ignore[attr-defined]
    result = model.load_state_dict(usable, strict=False)
    missing = [
        name
        for name in result.missing_keys
        if name not in differing and not name.endswith("num_batches_tracked")
    ]
    shapes = [
        f"{name} (file {_shape(tensor)}, model {_shape(own[name])})"
        for name, tensor in differing.items()
        if name not in skipped
    ]
    _refuse(source, missing=missing, unexpected=result.unexpected_keys, shapes=shapes)


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _refuse(source: str, *, missing: Sequence[str], unexpected: Sequence[str], shapes: Sequence[str]) -> None:
    found = {"missing": missing, "not in the model": unexpected, "of another shape": shapes}
    reasons = [f"{len(names)} {what}: {_first(names)}" for what, names in found.items() if names]
    if reasons:
        raise DataError(
            f"{source} does not fit the model; {'; '.join(reasons)}.",
            "Use weights of this very model, with the settings that they were trained with.",
        )


def _first(names: Sequence[str]) -> str:
    rest = f", and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + rest


def rename_prefixes(
    state: Mapping[str, Tensor], prefixes: Iterable[tuple[str, str]], *, without: Sequence[str]
) -> dict[str, Tensor]:
    """Rename a classifier's tensors to where a larger model keeps them.

    Args:
        state: names and tensors.
        prefixes: `(old, new)` pairs; the first whose `old` a name starts with is replaced by `new`.
        without: prefixes of names to leave out, as the classifier's head.
    """
    renamed = {}
    pairs = list(prefixes)
    for name, tensor in state.items():
        if not name.startswith(tuple(without)):
            old, new = next((pair for pair in pairs if name.startswith(pair[0])), ("", ""))
            renamed[new + name.removeprefix(old)] = tensor
    return renamed
