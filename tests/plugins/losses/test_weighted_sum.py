import pytest
import torch
from imgfw import DatasetInfo, Weighted
from imgfw_plugins.losses.cross_entropy import CrossEntropy
from imgfw_plugins.losses.dice import Dice
from imgfw_plugins.losses.own_losses import OwnLosses
from imgfw_plugins.losses.weighted_sum import WeightedSum
from torch import nn

INFO = DatasetInfo(task="segmentation", classes=("a", "b"))


def value(loss):
    return loss.sum / loss.weight if isinstance(loss, Weighted) else loss


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    masks = torch.randint(0, 2, (4, 3, 3), generator=generator)
    masks[0] = 255
    return torch.randn(4, 2, 3, 3, generator=generator), masks


def test_each_term_is_scaled_and_named(batch):
    cross_entropy, dice = CrossEntropy(INFO), Dice(INFO)
    losses = WeightedSum(terms=[cross_entropy, dice], weights=[2.0, 0.5])(*batch)
    assert list(losses) == ["cross_entropy", "dice"]
    torch.testing.assert_close(value(losses["cross_entropy"]), 2.0 * value(cross_entropy(*batch)))
    torch.testing.assert_close(value(losses["dice"]), 0.5 * dice(*batch))


def test_a_weight_of_pixels_stays_as_it_is_so_that_micro_batches_add_up(batch):
    logits, masks = batch
    criterion = WeightedSum(terms=[CrossEntropy(INFO)], weights=[3.0])
    whole = criterion(logits, masks)["cross_entropy"]
    parts = [criterion(logits[rows], masks[rows])["cross_entropy"] for rows in (slice(0, 2), slice(2, 4))]
    assert whole.weight == (masks != 255).sum()
    torch.testing.assert_close(
        value(whole), sum(part.sum for part in parts) / sum(part.weight for part in parts)
    )


def test_terms_weigh_1_when_nothing_is_said(batch):
    losses = WeightedSum(terms=[Dice(INFO)])(*batch)
    torch.testing.assert_close(losses["dice"], Dice(INFO)(*batch))


def test_equal_names_are_numbered(batch):
    losses = WeightedSum(terms=[Dice(INFO), Dice(INFO, smooth=0.1), Dice(INFO)])(*batch)
    assert list(losses) == ["dice", "dice_2", "dice_3"]


def test_a_term_of_several_losses_keeps_their_names(batch):
    inner = WeightedSum(terms=[Dice(INFO), CrossEntropy(INFO)], weights=[1.0, 2.0])
    losses = WeightedSum(terms=[inner, Dice(INFO)], weights=[10.0, 1.0])(*batch)
    assert list(losses) == ["weighted_sum.dice", "weighted_sum.cross_entropy", "dice"]
    torch.testing.assert_close(
        value(losses["weighted_sum.cross_entropy"]), 20.0 * value(CrossEntropy(INFO)(*batch))
    )


def test_foreign_criteria_are_named_too():
    def my_loss(outputs, targets):
        return outputs.sum()

    losses = WeightedSum(terms=[my_loss, nn.L1Loss()])(torch.ones(2), torch.zeros(2))
    assert list(losses) == ["my_loss", "l1_loss"]


def test_as_many_weights_as_terms_are_needed():
    with pytest.raises(ValueError, match="weights has 1 values, but there are 2 terms"):
        WeightedSum(terms=[Dice(INFO), Dice(INFO)], weights=[1.0])


def test_own_losses_passes_on_what_the_model_computed_in_float32():
    losses = OwnLosses()({"boxes": torch.tensor(1.5, dtype=torch.bfloat16), "classes": torch.tensor(2.0)}, [])
    assert losses == {"boxes": torch.tensor(1.5), "classes": torch.tensor(2.0)}
    assert losses["boxes"].dtype == torch.float32
