"""A plugin: a model with batch norm and dropout that goes wrong when it is told to."""

from __future__ import annotations

from typing import Literal

import imgfw
import torch
from torch import nn


class Faulty(nn.Module):
    """Counts its training batches, from 1, and goes wrong in some of them."""

    def __init__(self, channels, classes, fault, at, norm, dropout, fits):
        super().__init__()
        norms = nn.BatchNorm2d(8) if norm else nn.Identity()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 8, 3), norms, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(8, classes))
        self.fault, self.at, self.fits = fault, at, fits
        self.batches = 0

    def forward(self, images):
        self.batches += self.training
        bad = self.training and self.batches in self.at
        if bad and self.fault == "activations":
            images = images * float("inf")
        if bad and self.fault == "kernel":
            raise RuntimeError("broken kernel")
        outputs = self.head(self.features(images))
        if bad and self.fault == "gradient":
            outputs = outputs + (outputs.sum() * 0).sqrt()
        if len(images) > self.fits[0 if self.training else 1]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return outputs


def faulty(
    info,
    *,
    fault: Literal["activations", "gradient", "kernel"] = "gradient",
    at: list[int] = [],  # noqa: B006 (settings are never changed)
    norm: bool = True,
    dropout: float = 0.2,
    fits: tuple[int, int] = (10000, 10000),
):
    """A small net with faults.

    Args:
        info: what is known of the data.
        fault: what is not finite, or fails.
        at: the training batches in which it does.
        norm: whether it has a batch norm.
        dropout: probability.
        fits: samples that fit into memory, in training and in evaluation.
    """
    return Faulty(info.channels, info.num_classes, fault, at, norm, dropout, fits)


@imgfw.hookimpl
def imgfw_models():
    """Its only component."""
    return [faulty]
