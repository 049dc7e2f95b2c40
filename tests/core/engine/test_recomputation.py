"""Blocks that compute their activations again: the same numbers, with less memory."""

from __future__ import annotations

import copy

import imgfw
import pytest
import torch
from imgfw.engine.recomputation import recompute_blocks
from torch import Tensor, nn
from torchvision.models import densenet121, mobilenet_v3_small, resnet18, vit_b_16

from .conftest import CLASSIFICATION, fingerprint


def make_model() -> nn.Module:
    torch.manual_seed(0)
    blocks = [
        nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Dropout(0.5)) for _ in range(2)
    ]

    class Block(nn.Module):
        def __init__(self, layers: nn.Module) -> None:
            super().__init__()
            self.layers = layers

        def forward(self, images: Tensor) -> Tensor:
            return images + self.layers(images).relu()

    return nn.Sequential(*map(Block, blocks))


def a_step(model: nn.Module) -> dict[str, Tensor]:
    torch.manual_seed(1)
    model(torch.rand(4, 3, 8, 8)).square().mean().backward()
    gradients = {f"{name}.grad": item.grad for name, item in model.named_parameters()}
    return {**model.state_dict(), **gradients, "random": torch.rand(1)}


def test_gradients_statistics_and_random_numbers_are_those_of_the_plain_model():
    plain, recomputing = make_model(), make_model()
    recompute_blocks(recomputing)
    expected, found = a_step(plain), a_step(recomputing)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_copy_computes_with_its_own_weights():
    model = make_model()
    recompute_blocks(model)
    twin = copy.deepcopy(model).eval()
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    images = torch.rand(1, 3, 8, 8)
    assert torch.equal(twin(images), make_model().eval()(images))


@pytest.mark.parametrize(
    ("build", "count"), [(resnet18, 8), (vit_b_16, 12), (mobilenet_v3_small, 13), (densenet121, 7)]
)
def test_the_blocks_of_published_models_are_found(build, count):
    with torch.device("meta"):
        assert recompute_blocks(build()) == count


def test_a_run_ends_with_the_same_bytes(train):
    plain = fingerprint(train(CLASSIFICATION, "plain").folder)
    assert (
        fingerprint(train(CLASSIFICATION, "less", {"train.activation_checkpointing": True}).folder) == plain
    )


def test_a_model_without_blocks_is_refused(train, tmp_path):
    plugin = tmp_path / "flat.py"
    plugin.write_text(
        "import imgfw\n\ndef flat(info):\n"
        '    """One layer."""\n'
        "    from torch import nn\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, info.num_classes))\n\n"
        "@imgfw.hookimpl\ndef imgfw_models():\n    return [flat]\n"
    )
    recipe = {**CLASSIFICATION, "plugins": [str(plugin)], "model": "flat"}
    with pytest.raises(imgfw.ImgfwError, match="has no blocks"):
        train(recipe, changes={"train.activation_checkpointing": True})
