"""Which parameters are trained, and in which groups."""

from __future__ import annotations

import pytest
import torch
from imgfw import UsageError
from imgfw.engine.parameters import freeze, parameter_groups, set_training
from torch import nn


@pytest.fixture
def model():
    """A backbone of two blocks, and a head."""
    torch.manual_seed(0)
    model = nn.Sequential()
    for name in ("block1", "block2"):
        model.add_module(name, nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Dropout(0.5)))
    model.add_module("pool", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    model.add_module("head", nn.Linear(3, 2))
    return model


def trained(model):
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def step(model, decay_norm_and_bias=True):
    """One step of training, as the loop does it."""
    set_training(model)
    groups = parameter_groups(model, decay_norm_and_bias)
    optimizer = torch.optim.SGD(groups, lr=0.1, weight_decay=0.5)
    model(torch.randn(4, 3, 5, 5)).square().sum().backward()
    optimizer.step()


def test_a_frozen_backbone_leaves_the_head_to_train(model):
    frozen = freeze(model, "backbone", head=["head."])
    assert trained(model) == {"head.weight", "head.bias"}
    assert frozen == 2 * (3 * 3 + 3 + 3 + 3)


@pytest.mark.parametrize(
    ("what", "left"),
    [
        (["block1.*", "block2.*"], {"head.weight", "head.bias"}),
        (
            ["block?.0.*", "head.bias"],
            {"block1.1.weight", "block1.1.bias", "block2.1.weight", "block2.1.bias", "head.weight"},
        ),
        (
            "block2.*",
            {
                "block1.0.weight",
                "block1.0.bias",
                "block1.1.weight",
                "block1.1.bias",
                "head.weight",
                "head.bias",
            },
        ),
    ],
)
def test_patterns_freeze_what_they_match(model, what, left):
    freeze(model, what, head=[])
    assert trained(model) == left


def test_a_pattern_that_matches_nothing_is_an_error_even_beside_one_that_does(model):
    with pytest.raises(
        UsageError, match=r'no parameter is named "layer9\.\*"\. The first is block1\.0\.weight'
    ):
        freeze(model, ["block1.*", "layer9.*"], head=[])


def test_a_model_that_names_no_head_has_no_backbone(model):
    with pytest.raises(UsageError, match='"backbone" is unclear'):
        freeze(model, "backbone", head=[])


@pytest.mark.parametrize(("what", "head"), [(["*"], []), ("backbone", ["classifier."])])
def test_something_must_be_left_to_train(model, what, head):
    with pytest.raises(UsageError, match="nothing is left to train"):
        freeze(model, what, head)
    assert len(trained(model)) == 10


def test_training_changes_nothing_that_is_frozen(model):
    freeze(model, "backbone", head=["head."])
    before = {name: value.clone() for name, value in model.state_dict().items()}
    step(model)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"head.weight", "head.bias"}


def test_norms_that_are_trained_go_on_averaging(model):
    freeze(model, ["block1.*", "block2.1.bias"], head=[])
    step(model)
    assert not model.block1[1].training
    assert model.block1[1].num_batches_tracked == 0
    assert model.block2[1].num_batches_tracked == 1


def test_dropout_and_norms_without_parameters_are_in_training_mode(model):
    model.add_module("plain", nn.BatchNorm1d(2, affine=False))
    freeze(model, "backbone", head=["head."])
    model.eval()
    set_training(model)
    assert model.block1[2].training
    assert model.plain.training
    assert model.training


def names_of(model, group):
    wanted = {id(parameter) for parameter in group["params"]}
    return {name for name, parameter in model.named_parameters() if id(parameter) in wanted}


def test_norms_and_biases_are_spared_weight_decay(model):
    freeze(model, ["block1.*"], head=[])
    decayed, spared = parameter_groups(model, decay_norm_and_bias=False)
    assert names_of(model, decayed) == {"block2.0.weight", "head.weight"}
    assert "weight_decay" not in decayed
    assert names_of(model, spared) == {"block2.0.bias", "block2.1.weight", "block2.1.bias", "head.bias"}
    assert spared["weight_decay"] == 0


def test_all_that_is_trained_decays_where_asked(model):
    freeze(model, ["block1.*"], head=[])
    (group,) = parameter_groups(model, decay_norm_and_bias=True)
    assert names_of(model, group) == trained(model)


@pytest.mark.parametrize(
    ("optimizer", "settings"),
    [
        (torch.optim.SGD, {}),
        (torch.optim.SGD, {"fused": True}),
        (torch.optim.AdamW, {"fused": True}),
        (torch.optim.RMSprop, {}),
    ],
)
def test_a_model_without_biases_trains_all_the_same(optimizer, settings):
    model = nn.Linear(3, 2, bias=False)
    before = model.weight.detach().clone()
    built = optimizer(parameter_groups(model, decay_norm_and_bias=False), lr=0.1, **settings)
    model(torch.ones(1, 3)).sum().backward()
    built.step()
    assert not torch.equal(model.weight, before)
