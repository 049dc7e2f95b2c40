"""Every part keeps what imgfw's contract promises, does what it says of itself, and the recipe trains."""

from __future__ import annotations

import json
from pathlib import Path

import imgfw
import imgfw.testing
import pytest
import torch
from imgfw_plugin_hello import GeneralizedCrossEntropy, hello_net

RECIPE = Path(__file__).parent.parent / "recipe.json"
INFO = imgfw.DatasetInfo(task="classification", classes=("cat", "dog", "owl"), channels=3, image_size=(9, 9))


test_conformance = imgfw.testing.conformance("imgfw-plugin-hello")


def test_the_model_is_as_wide_as_it_is_told() -> None:
    assert hello_net(INFO, width=4).second.weight.shape == (8, 4, 3, 3)


def test_the_loss_goes_from_cross_entropy_to_one_minus_the_probability() -> None:
    logits, targets = torch.randn(8, 3), torch.randint(0, 3, (8,))
    cross_entropy = torch.nn.functional.cross_entropy(logits, targets)
    torch.testing.assert_close(
        GeneralizedCrossEntropy(q=1e-4)(logits, targets), cross_entropy, rtol=1e-3, atol=1e-3
    )
    p = logits.softmax(1)[torch.arange(8), targets]
    torch.testing.assert_close(GeneralizedCrossEntropy(q=1.0)(logits, targets), (1 - p).mean())


def test_a_wrong_label_costs_less_than_with_cross_entropy() -> None:
    wrong = torch.tensor([[20.0, 0.0, 0.0]]), torch.tensor([1])
    assert GeneralizedCrossEntropy()(*wrong) < 2 < torch.nn.functional.cross_entropy(*wrong)


def test_the_recipe_trains(tmp_path: Path) -> None:
    result = imgfw.run(
        RECIPE, overrides=["train.epochs=2", f"output_dir={json.dumps(str(tmp_path))}"], quiet=True
    )
    assert result.status == "completed"
    assert result.summary["test"]["test/accuracy"] > 0.5


def test_a_setting_out_of_range_is_refused() -> None:
    with pytest.raises(imgfw.RecipeError, match=r"loss\.q .*should be at most 1, not 2"):
        imgfw.run(RECIPE, overrides=["loss.q=2"])
