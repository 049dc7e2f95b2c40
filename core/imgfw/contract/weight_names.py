"""Names of weights, whatever wrapped the model that they were saved from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

Weight = TypeVar("Weight")

_WRAPPER = re.compile(r"(?<![^.])(?:_orig_mod|module)\.")
_COUNTER = "n_averaged"


def without_wrappers(weights: Mapping[str, Weight], own: Iterable[str]) -> dict[str, Weight]:
    """Name weights as a model names them, whichever of the two was wrapped.

    `torch.compile` puts `_orig_mod.` before the names, DDP and averages of weights put `module.`, nested in
    any order; `AveragedModel` adds the counter `n_averaged`. Names that the model has are left as they are.

    Args:
        weights: a state dict.
        own: the names of the model's state dict.
    """
    own = list(own)
    known = set(own)
    plain = {_WRAPPER.sub("", name): name for name in own}
    named: dict[str, Weight] = {}
    for name, weight in weights.items():
        target = name if name in known else plain.get(_WRAPPER.sub("", name), name)
        if target in named or (target != name and target in weights):
            target = name
        if name != _COUNTER or name in known:
            named[target] = weight
    return named
