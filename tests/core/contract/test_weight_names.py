"""Weights load whatever wrapped the model that they come from, or go to."""

from __future__ import annotations

import imgfw
import pytest
import torch
from imgfw import without_wrappers
from imgfw.engine.saving.checkpoint import restore_weights
from torch import nn
from torch.optim.swa_utils import AveragedModel


def plain():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


class InModule(nn.Module):
    """What DDP and DataParallel do to names, without processes or GPUs."""

    def __init__(self, inner):
        super().__init__()
        self.module = inner


WRAPPERS = {
    "plain": lambda model: model,
    "compiled": torch.compile,
    "DDP": InModule,
    "average": AveragedModel,
    "compiled DDP": lambda model: torch.compile(InModule(model)),
    "DDP of compiled": lambda model: InModule(torch.compile(model)),
    "average of compiled DDP": lambda model: AveragedModel(torch.compile(InModule(model))),
    "DataParallel": nn.DataParallel,
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrapped_weights_load_into_the_plain_model(wrapper):
    saved, model = plain(), nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    restore_weights(model, WRAPPERS[wrapper](saved).state_dict())
    assert all(torch.equal(model.state_dict()[name], saved.state_dict()[name]) for name in saved.state_dict())


@pytest.mark.parametrize("wrapper", [name for name in WRAPPERS if "average" not in name])
def test_plain_weights_load_into_the_wrapped_model(wrapper):
    saved, model = plain(), nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    restore_weights(WRAPPERS[wrapper](model), saved.state_dict())
    assert all(torch.equal(model.state_dict()[name], saved.state_dict()[name]) for name in saved.state_dict())


def test_a_part_that_is_really_called_module_keeps_its_name():
    model = InModule(nn.Linear(2, 2))
    assert without_wrappers(model.state_dict(), model.state_dict()).keys() == model.state_dict().keys()
    assert list(without_wrappers({"a.module.x": 1, "a.x": 2}, ["a.module.x", "a.x"])) == ["a.module.x", "a.x"]


def test_names_that_would_fall_together_are_left_apart_and_refused():
    model, weights = nn.Linear(2, 2, bias=False), torch.zeros(2, 2)
    with pytest.raises(imgfw.DataError, match=r"unexpected: module\.weight"):
        restore_weights(model, {"weight": weights, "module.weight": weights})


def test_a_mismatch_lists_everything_and_leaves_the_model_as_it_was():
    model = plain()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    weights = {f"module.{name}": tensor + 1 for name, tensor in before.items()}
    weights["module.0.weight"] = torch.zeros(5, 3)
    weights["module.extra"] = weights.pop("module.0.bias")
    wanted = r"missing: 0\.bias; unexpected: module\.extra; shapes: 0\.weight is \[5, 3\] instead of \[2, 3\]"
    with pytest.raises(imgfw.DataError, match=wanted):
        restore_weights(model, weights)
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())
