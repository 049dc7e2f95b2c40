"""A loss that is not finite never reaches the weights."""

from __future__ import annotations

import pytest
import torch
from imgfw import DivergedError
from imgfw.engine.guard import NonFiniteGuard

CPU = torch.device("cpu")


@pytest.fixture
def optimizer():
    return torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1, fused=True)


def test_a_finite_loss_is_let_pass(optimizer):
    guard = NonFiniteGuard(optimizer, CPU, scaled=False)
    for loss in (0.0, -1e30, 3e38):
        guard.before_step(torch.tensor(loss), 1, [0])
    guard.report()
    assert not hasattr(optimizer, "found_inf")  # the step is not skipped


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_loss_that_is_not_finite_names_its_step_and_samples(optimizer, value):
    guard = NonFiniteGuard(optimizer, CPU, scaled=False)
    with pytest.raises(DivergedError) as diverged:
        guard.before_step(torch.tensor(float(value)), 7, [4, 1, 2])
    assert str(diverged.value) == (
        f"The loss is {value} at step 7 (training samples 4, 1, 2). "
        "Lower optimizer.lr, add scheduler.warmup_epochs or train.clip_grad_norm."
    )
    assert diverged.value.exit_code == 5


def test_a_long_list_of_samples_is_cut(optimizer):
    guard = NonFiniteGuard(optimizer, CPU, scaled=False)
    with pytest.raises(DivergedError, match=r"samples 0, 1, .*, 14, 15 and 48 more\)"):
        guard.before_step(torch.tensor(float("nan")), 1, range(64))
    with pytest.raises(DivergedError, match=r"14, 15\)"):
        guard.before_step(torch.tensor(float("nan")), 1, range(16))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpus_fused_optimizer_skips_the_step_and_the_report_names_it():
    gpu = torch.device("cuda")
    weight = torch.nn.Parameter(torch.ones(3, device=gpu))
    optimizer = torch.optim.AdamW([weight], lr=0.1, fused=True)
    guard = NonFiniteGuard(optimizer, gpu, scaled=False)
    for step, value in enumerate((1.0, float("nan"), 1.0, float("inf")), 1):
        before = weight.detach().clone()
        optimizer.zero_grad()
        loss = (weight * value).sum()
        loss.backward()
        guard.before_step(loss.detach(), step, [0])
        optimizer.step()
        assert torch.equal(weight, before) == (value != 1.0)
    with pytest.raises(DivergedError, match="not finite at step 2"):
        guard.report()
