import pytest
import torch
from imgfw import DatasetInfo, Weighted
from imgfw_plugins.losses.cross_entropy import CrossEntropy
from torch.nn import functional as F

IMAGES = DatasetInfo(task="classification", classes=("a", "b", "c"), class_counts=(60, 30, 0))
PIXELS = DatasetInfo(task="segmentation", classes=("a", "b", "c"))


@pytest.fixture
def logits():
    return torch.randn(6, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def targets():
    return torch.tensor([0, 1, 2, 0, 0, 1])


@pytest.fixture
def pixel_logits():
    return torch.randn(4, 3, 2, 5, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def masks():
    masks = torch.randint(0, 3, (4, 2, 5), generator=torch.Generator().manual_seed(2))
    masks[0, 0, :3] = 255
    masks[2] = 255
    return masks


def test_without_weights_it_is_the_plain_mean_of_torch(logits, targets):
    loss = CrossEntropy(IMAGES, label_smoothing=0.1)(logits, targets)
    assert torch.equal(loss, F.cross_entropy(logits, targets, label_smoothing=0.1))


def test_class_weights_make_the_weighted_mean_of_torch(logits, targets):
    weight = [1.0, 2.0, 0.5]
    loss = CrossEntropy(IMAGES, weight=weight, label_smoothing=0.1)(logits, targets)
    expected = F.cross_entropy(logits, targets, torch.tensor(weight), label_smoothing=0.1)
    torch.testing.assert_close(loss.sum / loss.weight, expected)


def test_balanced_weights_are_inverse_to_the_class_counts(logits, targets):
    loss = CrossEntropy(IMAGES, weight="balanced")(logits, targets)
    expected = F.cross_entropy(logits, targets, torch.tensor([90 / 180, 90 / 90, 0.0]))
    torch.testing.assert_close(loss.sum / loss.weight, expected)


def test_ignored_pixels_count_for_nothing(pixel_logits, masks):
    loss = CrossEntropy(PIXELS)(pixel_logits, masks)
    assert loss.weight == (masks != 255).sum()
    torch.testing.assert_close(loss.sum / loss.weight, F.cross_entropy(pixel_logits, masks, ignore_index=255))


def test_ignored_pixels_and_class_weights_go_together(pixel_logits, masks):
    weight = [1.0, 2.0, 0.5]
    loss = CrossEntropy(PIXELS, weight=weight)(pixel_logits, masks.to(torch.uint8))
    expected = F.cross_entropy(pixel_logits, masks, torch.tensor(weight), ignore_index=255)
    torch.testing.assert_close(loss.sum / loss.weight, expected)


def test_micro_batches_add_up_to_the_whole_batch(pixel_logits, masks):
    criterion = CrossEntropy(PIXELS, weight=[1.0, 2.0, 0.5])
    whole = criterion(pixel_logits, masks)
    parts = [criterion(pixel_logits[rows], masks[rows]) for rows in ([0], [1, 2], [3])]
    added = Weighted(sum(part.sum for part in parts), sum(part.weight for part in parts))
    torch.testing.assert_close(added.sum / added.weight, whole.sum / whole.weight)


def test_a_batch_in_which_everything_is_ignored_has_no_loss_and_no_gradient(pixel_logits):
    pixel_logits.requires_grad_()
    loss = CrossEntropy(PIXELS)(pixel_logits, torch.full((4, 2, 5), 255))
    value = loss.sum / loss.weight
    value.backward()
    assert value == 0
    assert not pixel_logits.grad.any()


def test_it_is_computed_in_float32(logits, targets):
    assert CrossEntropy(IMAGES)(logits.bfloat16(), targets).dtype == torch.float32
    assert CrossEntropy(IMAGES, weight="balanced")(logits.bfloat16(), targets).sum.dtype == torch.float32


def test_a_wrong_number_of_weights_is_refused():
    with pytest.raises(ValueError, match="weight has 2 values, but there are 3 classes"):
        CrossEntropy(IMAGES, weight=[1.0, 2.0])


def test_balanced_needs_class_counts():
    with pytest.raises(ValueError, match='weight "balanced" needs the number of samples of each class'):
        CrossEntropy(PIXELS, weight="balanced")
