import pytest
import torch
from imgfw import DatasetInfo
from imgfw_plugins.losses.binary_cross_entropy import BinaryCrossEntropy
from torch.nn import functional as F

INFO = DatasetInfo(task="multilabel", classes=("a", "b", "c"))


def test_it_is_the_mean_over_images_and_classes():
    logits, targets = torch.randn(4, 3), torch.randint(0, 2, (4, 3))
    expected = F.binary_cross_entropy(logits.sigmoid(), targets.float())
    torch.testing.assert_close(BinaryCrossEntropy(INFO)(logits, targets), expected)


@pytest.mark.parametrize("pos_weight", [3.0, [1.0, 2.0, 3.0]])
def test_images_that_show_a_class_can_count_more(pos_weight):
    logits, targets = torch.zeros(1, 3), torch.ones(1, 3)
    loss = BinaryCrossEntropy(INFO, pos_weight=pos_weight)(logits, targets)
    torch.testing.assert_close(loss, torch.tensor(pos_weight).mean() * torch.tensor(2.0).log())


def test_it_is_computed_in_float32():
    assert BinaryCrossEntropy(INFO)(torch.zeros(1, 3).bfloat16(), torch.ones(1, 3)).dtype == torch.float32


def test_a_wrong_number_of_weights_is_refused():
    with pytest.raises(ValueError, match="pos_weight has 2 values, but there are 3 classes"):
        BinaryCrossEntropy(INFO, pos_weight=[1.0, 2.0])
