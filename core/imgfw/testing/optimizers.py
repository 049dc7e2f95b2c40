"""What is asked of optimizers."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from imgfw.engine.parameters import parameter_groups
from imgfw.engine.saving.state import decode, encode
from imgfw.testing.samples import info_of
from imgfw.testing.subject import Subject

_STEPS = 60


def _quadratic(model: nn.Module) -> Tensor:
    """A bowl: the squared distance between a linear map and another."""
    inputs = torch.randn(16, 6, generator=torch.Generator().manual_seed(3))
    wanted = inputs @ torch.randn(6, 4, generator=torch.Generator().manual_seed(4)) + 1
    distance: Tensor = model(inputs) - wanted
    return distance.square().mean()


def _build(subject: Subject, model: nn.Module, decay_norm_and_bias: bool = False) -> torch.optim.Optimizer:
    groups = parameter_groups(model, decay_norm_and_bias)
    optimizer = subject.build(info_of(subject.tasks[0]), parameters=groups, model=model)
    subject.expect(
        isinstance(optimizer, torch.optim.Optimizer),
        f"it returns {type(optimizer).__name__}, not a torch.optim.Optimizer.",
    )
    assert isinstance(optimizer, torch.optim.Optimizer)
    return optimizer


def _steps(subject: Subject, model: nn.Module, optimizer: torch.optim.Optimizer, count: int) -> None:
    for _ in range(count):
        optimizer.zero_grad()
        _quadratic(model).backward()  # type: ignore[no-untyped-call]
        with subject.attempt("a step fails", "The loop calls step() without a closure."):
            optimizer.step()


def quadratic(subject: Subject) -> None:
    """Some steps lower a quadratic function, with one group of parameters and with two."""
    for decay_norm_and_bias in (True, False):
        model = nn.Linear(6, 4)
        before = float(_quadratic(model).detach())
        _steps(subject, model, _build(subject, model, decay_norm_and_bias), _STEPS)
        after = float(_quadratic(model).detach())
        subject.expect(
            after < before,
            f"{_STEPS} steps take a quadratic function from {before:.4g} to {after:.4g}. Is a sign wrong, or "
            "the default learning rate too large? Are all groups that it is given used?",
        )


def state_dict(subject: Subject) -> None:
    """Going on from a saved state makes the same steps as never having stopped."""
    model = nn.Linear(6, 4)
    optimizer = _build(subject, model)
    _steps(subject, model, optimizer, 3)
    again = copy.deepcopy(model)
    with subject.attempt("its state_dict cannot be saved"):
        saved: Any = decode(*encode(optimizer.state_dict()))
    restored = _build(subject, again)
    with subject.attempt("it cannot take its saved state back"):
        restored.load_state_dict(saved)
    for one, its in ((model, optimizer), (again, restored)):
        torch.manual_seed(0)
        _steps(subject, one, its, 3)
    subject.expect(
        all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True)),
        "after loading its saved state its steps differ, so a resumed run would end otherwise than one that "
        "was never stopped. Keep everything that steps depend on in `state` and the groups.",
    )
