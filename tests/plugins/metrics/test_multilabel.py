import pytest
import torch
from imgfw import DatasetInfo
from imgfw_plugins.metrics.multilabel import multilabel_accuracy, multilabel_f1

INFO = DatasetInfo(task="multilabel", classes=("a", "b"))
PREDICTIONS = torch.tensor([[0.9, 0.2], [0.8, 0.4], [0.1, 0.7]])
TARGETS = torch.tensor([[1, 0], [0, 1], [0, 1]])


def test_f1_is_the_mean_over_classes():
    metric = multilabel_f1(INFO)
    metric.update(PREDICTIONS, TARGETS)
    assert metric.compute().item() == pytest.approx(2 / 3)


def test_accuracy_is_the_share_of_decisions_that_are_right():
    metric = multilabel_accuracy(INFO)
    metric.update(PREDICTIONS, TARGETS)
    assert metric.compute().item() == pytest.approx(4 / 6)


def test_the_threshold_decides_which_classes_an_image_is_given():
    metric = multilabel_accuracy(INFO, threshold=0.3)
    metric.update(PREDICTIONS, TARGETS)
    assert metric.compute().item() == pytest.approx(5 / 6)


@pytest.mark.parametrize("provider", [multilabel_f1, multilabel_accuracy])
def test_processes_together_compute_what_one_does(provider, at_once, in_two_processes):
    batches = [(PREDICTIONS[i : i + 1], TARGETS[i : i + 1]) for i in range(3)]

    def make():
        return provider(INFO)

    assert in_two_processes(make, batches) == at_once(make, batches)
