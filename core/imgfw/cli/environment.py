"""What `imgfw doctor` looks at: the machine and the libraries. It works whatever is broken."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

EXTRAS = {
    "detection": "mean average precision (mAP) of detection",
    "fast": 'decoding JPEGs faster, and "warp": "opencv" in transforms',
    "nvjpeg": 'decoding JPEGs on a GPU, with "decode": "device" in loader',
    "yaml": "recipes in YAML",
}
"""The optional parts of imgfw that a user may miss, and what each brings."""

OPENCV = (
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python-headless",
    "opencv-contrib-python",
)
"""The distributions that hold OpenCV, of which any will do; the extra `fast` brings the first."""


@dataclass
class TorchFacts:
    """What torch says of itself and of the hardware.

    Attributes:
        error: why torch does not work; the other fields then say nothing.
        vision_error: why torchvision does not work.
        cuda_build: the version of CUDA (or ROCm) that it was built for.
        gpus: the names of the GPUs that it can use.
        gpu_bf16: whether they compute in bfloat16.
        threads: threads of its arithmetic.
    """

    error: str = ""
    vision_error: str = ""
    cuda_build: str = ""
    gpus: list[str] = field(default_factory=list)
    gpu_bf16: bool = False
    threads: int = 0


@dataclass
class Environment:
    """The machine and the libraries.

    Attributes:
        python: the version of Python.
        system: the operating system.
        versions: installed version of every library that imgfw needs or can use; None: not installed.
        unmet: by distribution, what it requires and what is installed instead.
        torch: see there.
        cores: processors that this process may use.
        core_limit: processors' worth of time that the container allows, where it limits that.
        cpu_bf16: instructions for bfloat16 that the processor has.
        memory: bytes of memory, and how many are free.
        shared_memory: free bytes of /dev/shm, which data workers pass batches through; None: there is none.
        disk: free bytes where the command was started.
        has_nvidia_driver: whether an NVIDIA driver is loaded.
    """

    python: str
    system: str
    versions: dict[str, str | None]
    unmet: dict[str, list[str]]
    torch: TorchFacts
    cores: int
    core_limit: float | None
    cpu_bf16: list[str]
    memory: tuple[int, int]
    shared_memory: int | None
    disk: int
    has_nvidia_driver: bool


def look() -> Environment:
    """Look at the machine and the libraries."""
    shared = Path("/dev/shm")
    return Environment(
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        versions=_versions(),
        unmet={name: list(_unmet(name)) for name in ("imgfw", "torchvision", "torchmetrics")},
        torch=_ask_torch(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        core_limit=_core_limit(),
        cpu_bf16=_cpu_bf16(),
        memory=_memory(),
        shared_memory=shutil.disk_usage(shared).free if shared.is_dir() else None,
        disk=shutil.disk_usage(Path.cwd()).free,
        has_nvidia_driver=Path("/proc/driver/nvidia/version").exists() or bool(shutil.which("nvidia-smi")),
    )


def _versions() -> dict[str, str | None]:
    names = [item.name for item, _ in _requirements("imgfw") if item.name not in OPENCV]
    return {**{name: _version(name) for name in names}, "OpenCV": _opencv()}


def _opencv() -> str | None:
    return next((version for version in map(_version, OPENCV) if version is not None), None)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _requirements(distribution: str) -> Iterator[tuple[Requirement, str]]:
    """What a distribution requires, each with the extra that it belongs to ("" for none)."""
    try:
        lines = importlib.metadata.requires(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return
    for requirement in map(Requirement, lines):
        wanted = ("", *(EXTRAS if distribution == "imgfw" else ()))
        extra = next(
            (
                extra
                for extra in wanted
                if not requirement.marker or requirement.marker.evaluate({"extra": extra})
            ),
            None,
        )
        if extra is not None:
            yield requirement, extra


def _unmet(distribution: str) -> Iterator[str]:
    """Each requirement that is not met, with what is installed; of extras, wrong versions only."""
    for requirement, extra in _requirements(distribution):
        installed = _version(requirement.name)
        if installed is None and not extra:
            yield f"{requirement.name}{requirement.specifier} (not installed)"
        elif installed is not None and not requirement.specifier.contains(installed, prereleases=True):
            yield f"{requirement.name}{requirement.specifier} (installed: {installed})"


def missing_extras() -> Iterator[tuple[str, str]]:
    """Every library of an extra that is not installed, with the extra."""
    for requirement, extra in _requirements("imgfw"):
        if extra and requirement.name not in OPENCV and _version(requirement.name) is None:
            yield requirement.name, extra
    if _opencv() is None:
        yield "OpenCV", "fast"


def _ask_torch() -> TorchFacts:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they warn of is found again, and said better, below
        try:
            torch: Any = importlib.import_module("torch")
            facts = _facts_of(torch)
        except Exception as error:
            return TorchFacts(error=_one_line(error))
        try:
            importlib.import_module("torchvision")
        except Exception as error:
            facts.vision_error = _one_line(error)
    return facts


def _facts_of(torch: Any) -> TorchFacts:
    usable = torch.cuda.is_available()
    return TorchFacts(
        cuda_build=torch.version.cuda or torch.version.hip or "",
        gpus=[torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        if usable
        else [],
        gpu_bf16=usable and torch.cuda.is_bf16_supported(),
        threads=torch.get_num_threads(),
    )


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _core_limit() -> float | None:
    """What a Linux container may use, by control groups version 2."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError):  # no such file, or no limit ("max")
        return None


def _cpu_bf16() -> list[str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return []
    flags = next((line.split() for line in text.splitlines() if line.startswith(("flags", "Features"))), [])
    return [name for name in ("avx512_bf16", "amx_bf16", "bf16") if name in flags]


def _memory() -> tuple[int, int]:
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        return os.sysconf("SC_PHYS_PAGES") * page, os.sysconf("SC_AVPHYS_PAGES") * page
    except (AttributeError, ValueError, OSError):  # not everywhere
        return 0, 0
