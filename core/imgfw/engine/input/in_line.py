"""Whether a CPU should read images between its steps, or in workers that take cores away from the step.

torch divides each operation among all cores and waits for the slowest: a worker on one of them holds all of
them up, by more than it does.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from imgfw.contract.dataset import DatasetInfo
from imgfw.engine.input.splits import BadSample, SplitView

_FLOPS_A_CORE = 300e9
"""A second, of a core in bf16 at its best: a step takes no less."""

_BACKWARD = 3
"""How many times the arithmetic of a forward pass a training step has."""

_SECONDS_AN_IMAGE = 0.0005
_SECONDS_A_PIXEL = 7e-9
"""What reading, decoding and cropping take on a core: 1.8 ms for a JPEG of 500x375."""

_DWARFS = 8
"""How many times as long as its input on one core a step must take, for the input to run in line."""

_ATTEMPTS = 8
"""Samples that are looked at until one can be read."""


def step_dwarfs_input(model: nn.Module, info: DatasetInfo, view: SplitView, cores: int) -> bool:
    """Whether the step takes so long beside its input that the input should run in line.

    Told from the arithmetic of the model and the size of the first image that can be read, not from a trial.

    Args:
        model: the model, on the CPU.
        info: what the model gets; without a size nothing is told.
        view: the training split, whose images come one by one.
        cores: what this process may use.
    """
    pixels = _pixels_of_a_sample(view)
    flops = _flops(model, info)
    if pixels is None or flops is None:
        return False
    step = _BACKWARD * flops / (cores * _FLOPS_A_CORE)
    return step >= _DWARFS * (_SECONDS_AN_IMAGE + pixels * _SECONDS_A_PIXEL)


def _pixels_of_a_sample(view: SplitView) -> int | None:
    samples = (view.sample(index) for index in range(min(_ATTEMPTS, len(view))))
    image = next((sample[0] for sample in samples if not isinstance(sample, BadSample)), None)
    return None if image is None else int(image.shape[-2] * image.shape[-1])


def _flops(model: nn.Module, info: DatasetInfo) -> float | None:
    """Of the forward pass of one image; None where a model takes something else than a tensor of images."""
    if info.image_size is None:
        return None
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model.eval()(torch.zeros(1, info.channels, *info.image_size))
    except Exception:  # a model is a plugin's code; what it cannot take is told where it is tried
        return None
    return float(counter.get_total_flops())
