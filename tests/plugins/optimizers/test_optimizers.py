import pytest
import torch
from imgfw_plugins.optimizers import PROVIDERS, adam, sgd

TORCH = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
}
SETTINGS = {
    "sgd": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "nesterov": True},
    "adam": {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.01, "amsgrad": True},
    "adamw": {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1, "amsgrad": True},
    "rmsprop": {
        "lr": 0.1,
        "alpha": 0.9,
        "eps": 1e-3,
        "weight_decay": 0.01,
        "momentum": 0.5,
        "centered": True,
    },
    "adagrad": {
        "lr": 0.1,
        "lr_decay": 0.1,
        "weight_decay": 0.01,
        "initial_accumulator_value": 0.5,
        "eps": 0.1,
    },
    "nadam": {"lr": 0.1, "betas": (0.8, 0.9), "momentum_decay": 0.1, "decoupled_weight_decay": True},
    "radam": {"lr": 0.1, "betas": (0.8, 0.9), "weight_decay": 0.1, "decoupled_weight_decay": True},
}


def parameter():
    return torch.nn.Parameter(torch.linspace(-1, 1, 8))


def after_steps(optimizer, weights, steps=8):
    for _ in range(steps):
        optimizer.zero_grad()
        weights.pow(4).sum().backward()
        optimizer.step()
    return weights.detach()


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.__name__)
@pytest.mark.parametrize("given", [False, True], ids=["defaults", "settings"])
def test_it_walks_as_the_optimizer_of_torch_does(provider, given):
    settings = SETTINGS[provider.__name__] if given else {}
    ours, theirs = parameter(), parameter()
    optimizer = provider([{"params": [ours]}], **settings)
    reference = TORCH[provider.__name__]([{"params": [theirs]}], **settings)
    assert type(optimizer) is type(reference)
    torch.testing.assert_close(after_steps(optimizer, ours), after_steps(reference, theirs))


def test_groups_keep_their_own_rates():
    optimizer = sgd([{"params": [parameter()], "lr": 0.5}, {"params": [parameter()]}], lr=0.1)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.1]


def test_it_is_fused_where_torch_can_unless_told_otherwise():
    def fused(**settings):
        return adam([{"params": [parameter()]}], **settings).defaults["fused"]

    assert fused() is True
    assert fused(fused=False) is False


def test_parameters_that_no_fused_kernel_takes_are_left_to_torch():
    weights = torch.nn.Parameter(torch.zeros(2, device="meta"))
    assert adam([{"params": [weights]}]).defaults["fused"] is None


def test_nesterov_without_momentum_is_refused():
    with pytest.raises(ValueError, match="Nesterov momentum requires a momentum"):
        sgd([{"params": [parameter()]}], nesterov=True)
