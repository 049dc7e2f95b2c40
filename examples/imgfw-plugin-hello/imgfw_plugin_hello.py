"""A plugin for imgfw: one model and one loss.

The functions at the end tell imgfw what there is. Torch is imported only when something is built, so that
listing plugins stays fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from imgfw import Ge, Gt, Le, about, hookimpl

if TYPE_CHECKING:
    from imgfw import DatasetInfo
    from torch import Tensor, nn


@about(tasks=("classification",), min_size=4, head=("head.",))
def hello_net(info: DatasetInfo, *, width: Annotated[int, Ge(1)] = 32) -> nn.Module:
    """Two convolutions and a linear layer, for small images.

    Args:
        width: channels of the first convolution; the second has twice as many.
    """
    from collections import OrderedDict

    from torch import nn

    return nn.Sequential(
        OrderedDict(
            first=nn.Conv2d(info.channels, width, 3, padding=1),
            relu1=nn.ReLU(),
            second=nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            relu2=nn.ReLU(),
            pool=nn.AdaptiveAvgPool2d(2),
            flatten=nn.Flatten(),
            head=nn.Linear(8 * width, info.num_classes),
        )
    )


@about(tasks=("classification",))
class GeneralizedCrossEntropy:
    """A cross-entropy that a few wrong labels hurt less.

    A sample whose true class has probability p costs `(1 - p^q) / q`: cross-entropy as q goes to 0, one minus
    the probability for q = 1. Source: Zhang and Sabuncu, "Generalized Cross Entropy Loss for Training Deep
    Neural Networks with Noisy Labels", NeurIPS 2018.

    Args:
        q: how much less a sample counts the worse it fits.
    """

    def __init__(self, *, q: Annotated[float, Gt(0), Le(1)] = 0.7) -> None:
        self.q = q

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean over a batch of logits `[B, K]` and class indices `[B]`."""
        log_p = outputs.float().log_softmax(dim=1).gather(1, targets.unsqueeze(1))
        return ((1 - (self.q * log_p).exp()) / self.q).mean()


@hookimpl
def imgfw_models():
    """The models of this plugin."""
    return [hello_net]


@hookimpl
def imgfw_losses():
    """The losses of this plugin."""
    return [GeneralizedCrossEntropy]
