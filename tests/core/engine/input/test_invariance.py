"""What must not change a result, doesn't."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from tests.core.engine.conftest import CLASSIFICATION, SEGMENTATION, fingerprint


def weights(result):
    return load_file(result.folder / "checkpoints" / "last" / "model.safetensors")


def test_the_number_of_workers_changes_not_one_bit(train):
    alone = fingerprint(train(CLASSIFICATION, "workers-0").folder)
    for workers in (1, 2):
        result = train(CLASSIFICATION, f"workers-{workers}", {"loader.num_workers": workers})
        assert fingerprint(result.folder) == alone


def test_the_same_recipe_gives_the_same_bits_and_another_seed_gives_others(train):
    first = fingerprint(train(CLASSIFICATION, "first").folder)
    assert fingerprint(train(CLASSIFICATION, "second").folder) == first
    assert fingerprint(train(CLASSIFICATION, "third", {"seed": 4}).folder) != first


@pytest.fixture
def small_net(tmp_path):
    file = tmp_path / "small_net.py"
    file.write_text(
        "from imgfw import hookimpl\n\n"
        "def small_net(info):\n"
        '    """A net without batch norm, which sees other batches when a batch is cut up."""\n'
        "    from torch import nn\n"
        "    return nn.Sequential(nn.Conv2d(info.channels, 8, 3), nn.ReLU(), nn.Flatten(),\n"
        "                         nn.Linear(8 * 36, info.num_classes))\n\n"
        "@hookimpl\n"
        "def imgfw_models():\n"
        "    return [small_net]\n"
    )
    return str(file)


def test_accumulation_keeps_the_mathematics(train, small_net):
    recipe = {
        **CLASSIFICATION,
        "plugins": [small_net],
        "model": "small_net",
        "transforms": {},
        "loss": {"type": "cross_entropy", "weight": [1.0, 2.0, 0.5, 1.0, 1.0, 3.0, 1.0, 1.0, 1.0, 0.1]},
    }
    whole = weights(train(recipe, "whole"))
    parts = weights(train(recipe, "parts", {"train.accumulate": 7}))
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, rtol=1e-4, atol=1e-6)


def test_every_image_is_evaluated_once_whatever_the_batches_are(train):
    one = train(SEGMENTATION, "one", {"train.epochs": 1, "loader.eval_batch_size": 1})
    many = train(SEGMENTATION, "many", {"train.epochs": 1, "loader.eval_batch_size": 3})
    assert many.summary["test"]["test/miou"] == pytest.approx(one.summary["test"]["test/miou"], rel=1e-6)
    assert many.summary["test"]["test/loss"] == pytest.approx(one.summary["test"]["test/loss"], rel=1e-5)
