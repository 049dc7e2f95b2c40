"""What a run ran on: recorded with it, since results depend on it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from imgfw import __version__
from imgfw.engine import distributed
from imgfw.engine.precision import Precision

PACKAGES = (
    "imgfw",
    "torch",
    "torchvision",
    "torchmetrics",
    "numpy",
    "pillow",
    "torchcodec",
    "safetensors",
    "pluggy",
    "pydantic",
)


def describe_environment(plugins: dict[str, str]) -> dict[str, Any]:
    """Versions and hardware.

    Args:
        plugins: versions of the plugins that the run uses.
    """
    return {
        "format": 1,
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "plugins": plugins,
        "cpu": {"machine": platform.machine(), "cores": os.cpu_count(), "threads": torch.get_num_threads()},
        "gpus": [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())],
        "processes": distributed.world_size(),
    }


def state_environment(precision: Precision) -> dict[str, Any]:
    """What made a run's state: the part of the environment that its numbers depend on."""
    return {
        "imgfw": __version__,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "memory_format": str(precision.memory_format).removeprefix("torch."),
        "device": precision.device.type,
    }


def environment_changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs between two descriptions, of that by which arithmetic is rounded."""
    old, new = _rounding(before), _rounding(now)
    return [f"{name} {old[name]} -> {new[name]}" for name in new if old[name] != new[name]]


def _rounding(environment: dict[str, Any]) -> dict[str, Any]:
    packages, cpu = environment["packages"], environment["cpu"]
    return {
        "torch": packages.get("torch"),
        "torchvision": packages.get("torchvision"),
        "machine": cpu["machine"],
        "threads": cpu["threads"],
        "GPUs": ", ".join(environment["gpus"]) or "none",
        "processes": environment["processes"],
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
