import pytest
import torch
from imgfw import DatasetInfo
from imgfw_plugins.losses.dice import BatchDice, Dice

INFO = DatasetInfo(task="segmentation", classes=("background", "thing"))


def certain(masks):
    """Logits of a model that is sure of these masks."""
    return torch.nn.functional.one_hot(masks, 2).movedim(-1, 1) * 200.0


def test_a_perfect_prediction_costs_nothing():
    masks = torch.tensor([[[0, 1], [1, 1]]])
    torch.testing.assert_close(Dice(INFO)(certain(masks), masks), torch.tensor(0.0))


def test_it_is_the_overlap_computed_by_hand():
    truth = torch.tensor([[[0, 1], [1, 1]]])
    guess = torch.tensor([[[0, 0], [1, 1]]])
    background = (2 * 1 + 1) / (2 + 1 + 1)
    thing = (2 * 2 + 1) / (2 + 3 + 1)
    loss = Dice(INFO, smooth=1.0)(certain(guess), truth)
    torch.testing.assert_close(loss, torch.tensor(1 - (background + thing) / 2))
    without = Dice(INFO, smooth=1.0, include_background=False)(certain(guess), truth)
    torch.testing.assert_close(without, torch.tensor(1 - thing))


def test_what_is_predicted_on_ignored_pixels_does_not_matter():
    masks = torch.tensor([[[0, 1], [255, 255]]])
    logits = torch.randn(1, 2, 2, 2)
    elsewhere = logits.clone()
    elsewhere[:, :, 1] += torch.tensor([5.0, -5.0])
    torch.testing.assert_close(Dice(INFO)(logits, masks), Dice(INFO)(elsewhere, masks))


def test_the_mean_over_images_is_the_mean_of_their_losses():
    logits, masks = torch.randn(4, 2, 3, 3), torch.randint(0, 2, (4, 3, 3))
    criterion = Dice(INFO)
    each = torch.stack([criterion(logits[i : i + 1], masks[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(criterion(logits, masks), each.mean())


def test_batch_dice_takes_all_images_as_one():
    logits, masks = torch.randn(4, 2, 3, 3), torch.randint(0, 2, (4, 3, 3))
    side_by_side = logits.movedim(0, 1).reshape(1, 2, 12, 3)
    torch.testing.assert_close(
        BatchDice(INFO)(logits, masks), Dice(INFO)(side_by_side, masks.reshape(1, 12, 3))
    )


def test_it_is_computed_in_float32_and_has_a_gradient():
    logits = torch.randn(1, 2, 3, 3, dtype=torch.bfloat16, requires_grad=True)
    loss = Dice(INFO)(logits, torch.randint(0, 2, (1, 3, 3), dtype=torch.uint8))
    loss.backward()
    assert loss.dtype == torch.float32
    assert logits.grad.abs().sum() > 0


def test_leaving_out_the_only_class_is_refused():
    with pytest.raises(ValueError, match="the background is the only class"):
        Dice(DatasetInfo(task="segmentation", classes=("background",)), include_background=False)
