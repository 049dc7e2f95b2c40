"""The optimizer's step, which is taken without torch's entry in the profiler."""

from __future__ import annotations

import pytest
import torch
from imgfw.engine.step import change_weights
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook


@pytest.fixture
def scaler():
    return torch.amp.GradScaler("cpu", enabled=False)


def _with_gradients(make):
    """A model and its optimizer, with the same weights and gradients each time."""
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = make(model.parameters())
    model(torch.ones(4, 3)).square().sum().backward()
    return model, optimizer


@pytest.mark.parametrize(
    "make",
    [
        lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
        lambda parameters: torch.optim.SGD(parameters, lr=0.1, fused=True),
        lambda parameters: torch.optim.AdamW(parameters, lr=0.1, fused=True),
        lambda parameters: torch.optim.RMSprop(parameters, lr=0.1),
    ],
)
def test_it_is_the_step_of_torch(make, scaler):
    ours, our_optimizer = _with_gradients(make)
    theirs, their_optimizer = _with_gradients(make)
    torch.optim.lr_scheduler.StepLR(our_optimizer, 1)  # puts a step of its own in place
    for _ in range(3):
        change_weights(our_optimizer, scaler)
        their_optimizer.step()
    assert torch.equal(ours.weight, theirs.weight)
    assert torch.equal(ours.bias, theirs.bias)
    assert ours.weight.requires_grad
    assert ours.weight.is_leaf


def _sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1)


@pytest.mark.parametrize("register", ["register_step_pre_hook", "register_step_post_hook"])
def test_hooks_hear_of_it(register, scaler):
    _, optimizer = _with_gradients(_sgd)
    heard = []
    getattr(optimizer, register)(lambda *given: heard.append(given[0]))
    change_weights(optimizer, scaler)
    assert heard == [optimizer]


def test_hooks_of_all_optimizers_hear_of_it(scaler):
    _, optimizer = _with_gradients(_sgd)
    heard = []
    handle = register_optimizer_step_pre_hook(lambda *given: heard.append(given[0]))
    try:
        change_weights(optimizer, scaler)
    finally:
        handle.remove()
    assert heard == [optimizer]


def test_a_profiler_sees_it(scaler):
    _, optimizer = _with_gradients(_sgd)
    with torch.profiler.profile() as profile:
        change_weights(optimizer, scaler)
    assert "Optimizer.step#SGD.step" in {event.name for event in profile.events()}


def test_a_step_that_somebody_put_in_place_is_taken(scaler):
    _, optimizer = _with_gradients(_sgd)
    taken = []
    optimizer.step = lambda: taken.append("replaced")
    change_weights(optimizer, scaler)
    assert taken == ["replaced"]


def test_a_step_that_was_wrapped_again_is_taken_whole(scaler, monkeypatch):
    _, optimizer = _with_gradients(_sgd)
    taken = []
    plain = torch.optim.SGD.step

    def counted(self):
        taken.append("wrapped")
        return plain(self)

    counted.hooked = True  # as functools.wraps copies it
    counted.__wrapped__ = plain
    monkeypatch.setattr(torch.optim.SGD, "step", counted)
    change_weights(optimizer, scaler)
    assert taken == ["wrapped"]


def test_an_optimizer_with_a_step_of_its_own_is_taken(scaler):
    class Still(torch.optim.SGD):
        def step(self):
            self.taken = True

    model, optimizer = _with_gradients(lambda parameters: Still(parameters, lr=0.1))
    before = model.weight.detach().clone()
    change_weights(optimizer, scaler)
    assert optimizer.taken
    assert torch.equal(model.weight, before)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_first_step_that_overflows_leaves_nothing_of_it(momentum):
    """Torch's fused SGD leaves its momentum unset then, which is whatever was in the memory."""
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    scaler.scale(torch.ones(()))
    weights = [nn.Parameter(torch.ones(64)) for _ in range(20)]
    optimizer = torch.optim.SGD(weights, lr=0.1, momentum=momentum, fused=True)
    for gradient in (torch.inf, 512.0, 256.0):
        filling = [torch.full((64,), 1e30) for _ in range(40)]
        del filling
        for weight in weights:
            weight.grad = torch.full((64,), gradient)
        change_weights(optimizer, scaler)
    expected = 1.0 - 0.1 * 1.0 - 0.1 * (0.5 + momentum)  # 512 and 256 at a scale of 512
    for weight in weights:
        torch.testing.assert_close(weight.detach(), torch.full((64,), expected))
