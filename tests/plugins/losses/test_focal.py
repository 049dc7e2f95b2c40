import pytest
import torch
from imgfw import DatasetInfo
from imgfw_plugins.losses.focal import Focal
from torch.nn import functional as F

IMAGES = DatasetInfo(task="classification", classes=("a", "b"), class_counts=(30, 10))
PIXELS = DatasetInfo(task="segmentation", classes=("a", "b"))


def test_gamma_0_is_cross_entropy():
    logits, targets = torch.randn(5, 2), torch.tensor([0, 1, 1, 0, 1])
    torch.testing.assert_close(Focal(IMAGES, gamma=0.0)(logits, targets), F.cross_entropy(logits, targets))


def test_it_is_the_formula_of_the_paper():
    probabilities = torch.tensor([[0.9, 0.1], [0.4, 0.6]])
    loss = Focal(IMAGES, gamma=2.0, alpha=[0.25, 0.75])(probabilities.log(), torch.tensor([0, 0]))
    p = torch.tensor([0.9, 0.4])
    torch.testing.assert_close(loss, (-0.25 * (1 - p) ** 2 * p.log()).mean())


def test_alpha_can_be_measured():
    logits = torch.zeros(1, 2)
    rare = Focal(IMAGES, alpha="balanced")(logits, torch.tensor([1]))
    common = Focal(IMAGES, alpha="balanced")(logits, torch.tensor([0]))
    torch.testing.assert_close(rare / common, torch.tensor(3.0))


def test_ignored_pixels_count_for_nothing():
    logits = torch.randn(1, 2, 2, 2)
    masks = torch.tensor([[[0, 1], [255, 255]]])
    loss = Focal(PIXELS)(logits, masks)
    same_pixels = Focal(IMAGES)(logits[0, :, 0].T, torch.tensor([0, 1]))
    assert loss.weight == 2
    torch.testing.assert_close(loss.sum / loss.weight, same_pixels)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_a_certain_and_right_answer_has_a_finite_gradient(gamma):
    logits = torch.tensor([[200.0, 0.0]], requires_grad=True)
    Focal(IMAGES, gamma=gamma)(logits, torch.tensor([0])).backward()
    assert logits.grad.isfinite().all()
