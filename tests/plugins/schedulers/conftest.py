import pytest
import torch
from imgfw import Plan


@pytest.fixture
def plan():
    """A run of 12 steps: 4 epochs of 3."""
    return Plan(total_steps=12, steps_per_epoch=3, epochs=4, modes={"val/accuracy": "max"})


@pytest.fixture
def make_optimizer():
    """Make an optimizer with one group a learning rate."""

    def make(*rates, optimizer=torch.optim.SGD, **settings):
        groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
        return optimizer(groups, **settings)

    return make


@pytest.fixture
def rates_of():
    """The learning rate of the first group at each step of a run, as a training loop would use it."""

    def rates(scheduler, steps):
        used = []
        for _ in range(steps):
            used.append(scheduler.optimizer.param_groups[0]["lr"])
            scheduler.optimizer.step()
            scheduler.step()
        return used

    return rates
