import pytest
import torch
from imgfw import DatasetInfo
from imgfw_plugins.metrics.segmentation import dice_score, mean_iou, pixel_accuracy
from torchmetrics.classification import MulticlassJaccardIndex

INFO = DatasetInfo(task="segmentation", classes=("sky", "road", "car", "never"))
TRUE = torch.tensor([[[0, 0, 1, 1], [2, 2, 255, 255]]])
GUESS = torch.tensor([[[0, 1, 1, 1], [2, 0, 3, 2]]])


def computed(provider):
    metric = provider(INFO)
    metric.update(GUESS, TRUE)
    return metric.compute().item()


def test_mean_iou_leaves_out_ignored_pixels_and_classes_that_are_nowhere():
    assert computed(mean_iou) == pytest.approx((1 / 3 + 2 / 3 + 1 / 2) / 3)


def test_dice_score_is_the_overlap_of_the_same_pixels():
    assert computed(dice_score) == pytest.approx((2 / 4 + 4 / 5 + 2 / 3) / 3)


def test_pixel_accuracy_is_the_share_of_counted_pixels_that_are_right():
    assert computed(pixel_accuracy) == pytest.approx(4 / 6)


def test_mean_iou_agrees_with_torchmetrics():
    generator = torch.Generator().manual_seed(0)
    guess, true = torch.randint(0, 4, (2, 3, 16, 16), generator=generator)
    ours, theirs = mean_iou(INFO), MulticlassJaccardIndex(4, ignore_index=255)
    for metric in (ours, theirs):
        metric.update(guess, true)
    torch.testing.assert_close(ours.compute(), theirs.compute())


@pytest.mark.parametrize("provider", [mean_iou, dice_score, pixel_accuracy])
def test_processes_together_compute_what_one_does(provider, at_once, in_two_processes):
    generator = torch.Generator().manual_seed(0)
    batches = [tuple(torch.randint(0, 4, (2, n, 8, 8), generator=generator)) for n in (3, 1, 2)]

    def make():
        return provider(INFO)

    assert in_two_processes(make, batches) == at_once(make, batches)
