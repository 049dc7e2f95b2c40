"""A compiled model, and one that replays CUDA graphs: both are called as any other."""

from __future__ import annotations

import shutil
from collections import OrderedDict

import pytest
import torch
from imgfw.engine.compilation import ReplayingModel, compiled
from safetensors.torch import load_file
from torch import nn

from .conftest import CLASSIFICATION

CPU = torch.device("cpu")

needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="needs a C++ compiler"
)

_LINEAR = """
import imgfw

def linear(info):
    "One layer."
    from torch import nn
    height, width = info.image_size
    return nn.Sequential(nn.Flatten(), nn.Linear(info.channels * height * width, info.num_classes))

@imgfw.hookimpl
def imgfw_models():
    return [linear]
"""


class Graphed(nn.Module):
    """Writes outputs and gradients where the last ones are, as a CUDA graph does."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.outputs, self.gradients = torch.zeros(3), torch.zeros(3)

    def forward(self, images):
        self.outputs.copy_(images)
        self.gradients.fill_(torch.nan)  # what a replay does before the backward pass has come
        return OrderedDict(out=self.outputs, aux=None)

    def backward(self, gradient):
        """What autograd does: add, or take over what the graph wrote."""
        if self.weight.grad is None:
            self.weight.grad = self.gradients.copy_(gradient)
        else:
            self.weight.grad += gradient


def test_what_a_graph_returned_stays_when_it_is_replayed():
    model = ReplayingModel(Graphed())
    first, second = model(torch.full((3,), 1.0)), model(torch.full((3,), 2.0))
    assert isinstance(first, OrderedDict) and first["aux"] is None
    assert (first["out"].tolist(), second["out"].tolist()) == ([1.0] * 3, [2.0] * 3)


def test_gradients_of_micro_batches_add_up_though_a_graph_wrote_the_first():
    graphed = Graphed()
    model = ReplayingModel(graphed)
    for value in (1.0, 2.0, 4.0):
        model(torch.zeros(3))
        graphed.backward(torch.full((3,), value))
    assert graphed.weight.grad.tolist() == [7.0] * 3


def test_gradients_of_a_model_are_the_same():
    torch.manual_seed(0)
    plain, replaying = nn.Linear(4, 2), nn.Linear(4, 2)
    replaying.load_state_dict(plain.state_dict())
    images = torch.rand(6, 4)
    for model, forward in ((plain, plain), (replaying, ReplayingModel(replaying))):
        for part in images.split(2):
            forward(part).square().sum().backward()
        assert model.weight.grad is not None
    assert torch.equal(plain.weight.grad, replaying.weight.grad)


def test_without_compilation_the_model_is_its_own_forward():
    model = nn.Linear(4, 2)
    assert compiled(model, False, CPU) is model


@needs_compiler
@pytest.mark.parametrize("setting", [True, "reduce-overhead"])
def test_a_compiled_model_computes_the_same(setting):
    torch.manual_seed(0)
    model, images = nn.Linear(4, 2), torch.rand(3, 4)
    forward = compiled(model, setting, CPU)
    assert forward is not model
    torch.testing.assert_close(forward(images), model(images))


@needs_compiler
def test_a_compiled_run_trains_as_the_plain_one_does(train, tmp_path):
    plugin = tmp_path / "linear.py"
    plugin.write_text(_LINEAR)
    changes = {
        "plugins": [str(plugin)],
        "model": "linear",
        "loader": {"batch_size": 128, "num_workers": 0, "drop_last": True},
        "train.accumulate": 2,
        "train.epochs": 2,
    }
    plain = train(CLASSIFICATION, "plain", changes)
    fast = train(CLASSIFICATION, "fast", {**changes, "train.compile": "reduce-overhead"})
    weights = [load_file(result.folder / "checkpoints/last/model.safetensors") for result in (plain, fast)]
    assert weights[0].keys() == weights[1].keys()
    for name, expected in weights[0].items():
        torch.testing.assert_close(weights[1][name], expected, rtol=1e-3, atol=1e-5)
    assert fast.summary["steps"] == plain.summary["steps"] > 0
