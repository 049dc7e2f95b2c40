"""What the benchmarks write: Markdown, with the machine and the versions that they were made with."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

_PACKAGES = ("imgfw", "torch", "torchvision", "lightning", "accelerate", "fastai", "timm", "pytorch-ignite")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def goals(rows: Sequence[tuple[str, str, str]]) -> str:
    """What was aimed at beside what was measured."""
    return table(["goal", "wanted", "measured"], rows)


def page(sections: Mapping[str, str]) -> str:
    """The whole page, from its sections by title."""
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items())
    return f"{_HEAD}\n\n{conditions()}\n\n{body}\n"


_HEAD = """\
# Benchmarks

Written by `make bench`; `python tests/benchmarks/run.py step` prints a part alone, and `--help` names the
parts. Times are measured, never judged: no test fails for one. Each figure is the median, with the smallest
and the largest value behind it. CPU time is what the process spent computing: other programs change it
little. Wall time is what passed. A goal stands beside what was measured, reached or not, and where another
loop is faster than imgfw, the reason is below the table. What takes a GPU, `python tests/benchmarks/gpu.py`
measures: [the figures of one](benchmarks-gpu.md). [A quiet machine's](benchmarks-epyc.md) spread less."""


def conditions() -> str:
    """The machine and the versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return (
        f"Machine: {_processor()}, {cores} cores{gpu}, {platform.system()}.\n"
        f"Python {platform.python_version()}, {versions}."
    )


def _processor() -> str:
    """The name of the processor, as Linux tells it."""
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text().splitlines() if listed.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
