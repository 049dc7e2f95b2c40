"""The `pretrained` setting of our own models, which nobody publishes weights of: a file or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

OwnWeights = Literal[False] | Path


def load_own_weights(model: nn.Module, pretrained: OwnWeights, *, head: Sequence[str]) -> None:
    """Load the file that the setting names, if it names one; RGB stems are adapted to other channels.

    Args:
        model: changed in place.
        pretrained: the setting.
        head: prefixes of the names whose size depends on the number of classes.

    Raises:
        ValueError: for a file name that says no weights.
        imgfw.DataError: for a file that is missing, unreadable, or doesn't fit.
    """
    from imgfw_plugins.models.stem import adapt_stem_weights
    from imgfw_plugins.models.weight_files import check_source, read_weights
    from imgfw_plugins.models.weight_loading import load_weights

    if pretrained is False:
        return
    check_source("pretrained", pretrained, ())
    state = read_weights(pretrained)
    adapt_stem_weights(model, state)
    load_weights(model, state, head=head, source=str(pretrained))
