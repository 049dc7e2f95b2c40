"""`imgfw doctor`: the environment, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from imgfw import __version__
from imgfw.cli.invocation import Invocation
from imgfw.cli.output import print_table
from imgfw.contract.terminal import printable
from imgfw.contract.wording import counted, in_units

if TYPE_CHECKING:
    from imgfw.cli.diagnosis import Finding
    from imgfw.cli.environment import Environment


@click.command()
@click.pass_obj
def doctor(invocation: Invocation) -> None:
    """Say what is wrong with the environment, and what to do. Exits with 1 if something is wrong."""
    from imgfw.cli.diagnosis import judge_environment, judge_extras, judge_plugins
    from imgfw.cli.environment import look, missing_extras

    environment = look()
    catalog = invocation.catalog
    findings = [
        *judge_environment(environment),
        *judge_plugins(catalog.plugins(), catalog.declarations),
        *judge_extras(missing_extras()),
    ]
    print_table(list(_facts(environment)))
    for finding in sorted(findings, key=lambda item: not item.serious):
        _print_finding(finding)
    problems = sum(finding.serious for finding in findings)
    click.echo(f"\n{counted(problems, 'problem') if problems else 'Nothing is wrong.'}")
    if problems:
        click.get_current_context().exit(1)


def _facts(environment: Environment) -> Iterator[tuple[str, str]]:
    torch = environment.torch
    yield "imgfw", __version__
    yield "Python", environment.python
    yield "system", environment.system
    for name, version in environment.versions.items():
        yield name, version or "not installed"
    limit = f", the container allows {environment.core_limit:g}" if environment.core_limit is not None else ""
    yield "processors", f"{environment.cores}{limit}; torch uses {torch.threads} threads"
    yield "bfloat16", _bf16_text(environment)
    built = (
        f" (torch was built for {torch.cuda_build})"
        if torch.cuda_build
        else " (torch was built without CUDA)"
    )
    yield "GPUs", ", ".join(torch.gpus) or f"none{'' if torch.error else built}"
    total, free = environment.memory
    yield "memory", f"{in_units(total)}, {in_units(free)} free"
    if environment.shared_memory is not None:
        yield "/dev/shm", f"{in_units(environment.shared_memory)} free"
    yield "disk here", f"{in_units(environment.disk)} free"


def _bf16_text(environment: Environment) -> str:
    cpu = ", ".join(environment.cpu_bf16) or "not by the CPU"
    return f"{cpu}; {'by the GPU' if environment.torch.gpu_bf16 else 'no GPU that has it'}"


def _print_finding(finding: Finding) -> None:
    label, colour = ("problem", "red") if finding.serious else ("note", "yellow")
    advice = f"{finding.what}\n  {finding.why}\n  -> {finding.fix}"
    click.echo(f"\n{click.style(f'{label}:', fg=colour)} {printable(advice)}")
