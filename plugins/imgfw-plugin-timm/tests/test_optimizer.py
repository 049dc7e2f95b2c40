"""timm's optimizers by name."""

from __future__ import annotations

from itertools import pairwise

import pytest
import timm.optim
import torch
from imgfw_plugin_timm.classifier import timm_model
from imgfw_plugin_timm.optimizer import timm_optimizer
from torch import nn

NEED_OTHER_PACKAGES = ("bnb", "fused", "kron")
NAMES = [name for name in timm.optim.list_optimizers() if not name.startswith(NEED_OTHER_PACKAGES)]


def groups(model: nn.Module) -> list[dict]:
    parameters = list(model.parameters())
    flat = [parameter for parameter in parameters if parameter.ndim <= 1]
    return [
        {"params": [parameter for parameter in parameters if parameter.ndim > 1]},
        {"params": flat, "weight_decay": 0.0},
    ]


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))


@pytest.mark.parametrize("opt", [name for name in NAMES if name != "adahessian"])
def test_every_optimizer_lowers_the_loss(model, opt):
    optimizer = timm_optimizer(groups(model), model, opt=opt, lr=1e-3, weight_decay=0.01)
    images, labels = torch.randn(8, 3, 8, 8), torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    losses = []
    for _ in range(8):
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.01, 0.0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"opt": "adamm"}, 'opt: timm has no optimizer "adamm"; did you mean '),
        ({"opt": "zzz"}, "; there are .*lamb"),
        ({"opt": "adahessian"}, "adahessian needs second derivatives"),
        ({"opt": "sgd", "betas": (0.9, 0.999)}, "betas: sgd has no such setting"),
        ({"opt": "adamw", "momentum": 0.9}, "momentum: adamw has no such setting"),
        ({"opt": "lamb", "options": {"trust": 1}}, "timm cannot make lamb with these settings: .*trust"),
        ({"opt": "bnbadam"}, "timm cannot make bnbadam with these settings: .*bitsandbytes"),
    ],
)
def test_what_timm_would_refuse_or_leave_out_is_refused(model, settings, message):
    with pytest.raises(ValueError, match=message):
        timm_optimizer(groups(model), model, **settings)


def test_settings_reach_the_optimizer(model):
    settings = {"betas": (0.8, 0.9), "eps": 1e-5, "options": {"caution": True}}
    (group, _) = timm_optimizer(groups(model), model, opt="lamb", lr=0.1, **settings).param_groups
    assert (group["lr"], group["betas"], group["eps"], group["caution"]) == (0.1, (0.8, 0.9), 1e-5, True)


def test_layer_decay_lowers_the_rate_of_earlier_layers(info):
    model = timm_model(info(), model="test_vit")
    model.patch_embed.proj.bias.requires_grad_(False)
    optimizer = timm_optimizer(groups(model), model, opt="adamw", lr=1.0, weight_decay=0.1, layer_decay=0.5)
    rate = {id(p): (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}
    assert rate[id(model.head.weight)] == (1.0, 0.1)
    assert rate[id(model.head.bias)] == (1.0, 0.0)
    blocks = [rate[id(block.attn.qkv.weight)][0] for block in model.blocks]
    assert all(earlier == later / 2 for earlier, later in pairwise(blocks))
    assert rate[id(model.patch_embed.proj.weight)][0] == blocks[0] / 2
    assert id(model.patch_embed.proj.bias) not in rate
