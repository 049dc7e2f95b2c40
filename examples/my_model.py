"""A plugin that is one file, named by local_model.json."""

from __future__ import annotations

from typing import Annotated

from imgfw import Ge, hookimpl


def two_layer_net(info, *, hidden: Annotated[int, Ge(1)] = 128):
    """Two linear layers over all pixels.

    Args:
        hidden: units of the hidden layer.
    """
    from torch import nn

    height, width = info.image_size
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(info.channels * height * width, hidden),
        nn.ReLU(),
        nn.Linear(hidden, info.num_classes),
    )


@hookimpl
def imgfw_models():
    """The models of this plugin."""
    return [two_layer_net]
