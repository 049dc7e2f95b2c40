"""How much of a GPU's arithmetic a training step makes use of."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

_PEAK_TERAFLOPS = {
    "H200": 989.5,
    "H100 PCIe": 756.0,
    "H100 NVL": 835.5,
    "H100": 989.5,
    "A100": 312.0,
    "L40S": 362.0,
    "L4": 121.0,
    "A10": 125.0,
    "B200": 2250.0,
}
"""Dense bf16 and fp16 arithmetic of the tensor cores, by what the device's name holds, as its maker states;
the more exact name first."""


def utilization(images_per_second: float, step: Callable[[], int], device: torch.device) -> float | None:
    """The share of the device's peak arithmetic that a rate amounts to; None where the peak is not known.

    Args:
        images_per_second: the rate.
        step: makes one step of 16-bit arithmetic, and returns how many images it was; called once.
        device: where it computes.
    """
    if device.type != "cuda":
        return None
    words = torch.cuda.get_device_name(device)
    peak = next((value for name, value in _PEAK_TERAFLOPS.items() if name in words), None)
    if peak is None:
        return None
    with FlopCounterMode(display=False) as counter:
        images = step()
    return float(counter.get_total_flops() / images * images_per_second / (peak * 1e12))
