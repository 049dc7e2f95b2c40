"""What is wrong with an environment: each finding says what, why it matters, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgfw.cli.environment import EXTRAS
from imgfw.contract.wording import in_units

if TYPE_CHECKING:
    from imgfw.catalog.discovery import Declaration
    from imgfw.catalog.loading import Plugin
    from imgfw.cli.environment import Environment

MIN_SHARED_MEMORY = 256 * 2**20
MIN_DISK = 2**30


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        what: what is the case.
        why: why it matters.
        fix: what to do.
        serious: whether something does not work; else it is worth knowing only.
    """

    what: str
    why: str
    fix: str
    serious: bool = True


def judge_environment(environment: Environment) -> list[Finding]:
    """Find what is wrong with the machine and the libraries."""
    return [
        *_broken_torch(environment),
        *_broken_torchvision(environment),
        *_old_libraries(environment),
        *_idle_gpu(environment),
        *_too_many_threads(environment),
        *_small_shared_memory(environment),
        *_full_disk(environment),
    ]


def _broken_torch(environment: Environment) -> Iterator[Finding]:
    if environment.torch.error:
        yield Finding(
            f"torch does not work: {environment.torch.error}",
            "Without it nothing can be trained or evaluated; check, show and list work.",
            "pip install --force-reinstall torch torchvision",
        )


def _broken_torchvision(environment: Environment) -> Iterator[Finding]:
    unmet = environment.unmet.get("torchvision", [])
    error = environment.torch.vision_error
    versions = ", ".join(f"{name} {environment.versions.get(name)}" for name in ("torch", "torchvision"))
    if "torchvision::" in error or "undefined symbol" in error or (unmet and not environment.torch.error):
        told = error or f"torchvision requires {', '.join(unmet)}"
        yield Finding(
            f"torch and torchvision do not belong together ({versions}): {told}",
            "torchvision's compiled part works only with the build of torch that it was made for: not as a "
            "CUDA build beside a CPU build of torch, nor after an upgrade of one without the other.",
            "pip install --force-reinstall torch torchvision",
        )
    elif error:
        yield Finding(
            f"torchvision does not work: {error}",
            "Models, transforms and datasets need it.",
            "pip install --force-reinstall torch torchvision",
        )


def _old_libraries(environment: Environment) -> Iterator[Finding]:
    for name, unmet in environment.unmet.items():
        if unmet and name != "torchvision":
            wanted = " ".join(f"'{item.split(' (')[0]}'" for item in unmet)
            yield Finding(
                f"{name} requires {', '.join(unmet)}",
                "It is not tested with, and may not work with, what is installed.",
                f"pip install --upgrade {wanted}",
            )


def judge_extras(missing: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    """Say which optional libraries are missing, as `(library, extra)`."""
    for library, extra in missing:
        yield Finding(
            f"{library} is not installed",
            f"It is only needed for {EXTRAS[extra]}.",
            f"pip install 'imgfw[{extra}]'",
            serious=False,
        )


def _idle_gpu(environment: Environment) -> Iterator[Finding]:
    torch = environment.torch
    if torch.error or torch.gpus or not environment.has_nvidia_driver:
        return
    if torch.cuda_build:
        what, fix = (
            f"an NVIDIA driver is there, but torch, built for CUDA {torch.cuda_build}, finds no GPU",
            "Look at nvidia-smi and CUDA_VISIBLE_DEVICES; a driver older than torch's CUDA needs an update.",
        )
    else:
        what, fix = (
            "an NVIDIA driver is there, but this torch was built without CUDA",
            "Install a CUDA build of torch and torchvision, as pytorch.org's start page says.",
        )
    yield Finding(what, "Training runs on the CPU, many times slower.", fix)


def _too_many_threads(environment: Environment) -> Iterator[Finding]:
    limit, threads = environment.core_limit, environment.torch.threads
    if limit is not None and threads > max(limit, 1):
        yield Finding(
            f"torch starts {threads} threads, but this container may use {limit:g} processors",
            "The threads wait for each other, and a step takes longer than with fewer.",
            f"export OMP_NUM_THREADS={max(int(limit), 1)}",
        )


def _small_shared_memory(environment: Environment) -> Iterator[Finding]:
    free = environment.shared_memory
    if free is not None and free < MIN_SHARED_MEMORY:
        yield Finding(
            f"/dev/shm has {in_units(free)} free",
            "Data workers pass batches through it; when it is full they die with a bus error.",
            "Start the container with --shm-size=2g (or --ipc=host), or set loader.num_workers to 0.",
        )


def _full_disk(environment: Environment) -> Iterator[Finding]:
    if environment.disk < MIN_DISK:
        yield Finding(
            f"{in_units(environment.disk)} of disk are free here",
            "Checkpoints take three times the size of a model or more, and several are kept.",
            "Free some, or let --set output_dir=… name another disk.",
        )


def judge_plugins(plugins: Iterable[Plugin], declarations: Iterable[Declaration]) -> Iterator[Finding]:
    """Find what is wrong with the plugins."""
    for plugin in plugins:
        if plugin.status == "broken":
            yield Finding(
                f"the plugin {plugin.name} is broken: {plugin.reason}",
                "Nothing that it provides can be used; all else can.",
                f"Update or uninstall it, or leave it out: imgfw -p no:{plugin.name} …",
            )
        if plugin.status == "slow":
            yield Finding(
                f"the plugin {plugin.name} {plugin.reason}",
                "Every command that looks through the plugins waits for it.",
                "Tell its author to import heavy libraries inside its providers.",
                serious=False,
            )
    for declaration in declarations:
        if declaration.shadowed:
            others = ", ".join(str(folder) for folder in declaration.shadowed)
            yield Finding(
                f"the plugin {declaration.name} is installed more than once, also in {others}",
                "Only the first on Python's path is used.",
                f"pip uninstall {declaration.name}, more than once, and install it again.",
                serious=False,
            )
