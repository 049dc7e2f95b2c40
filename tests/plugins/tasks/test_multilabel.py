import pytest
import torch
from imgfw import DatasetInfo
from imgfw_plugins.tasks.multilabel import Multilabel
from torchmetrics.classification import MultilabelF1Score


@pytest.fixture
def task():
    return Multilabel(DatasetInfo(task="multilabel", classes=("cat", "dog")))


def test_multi_hot_rows_become_one_float_tensor(task):
    targets = task.collate([[1, 0], torch.tensor([1, 1], dtype=torch.uint8)])
    assert targets.dtype == torch.float32
    assert targets.tolist() == [[1, 0], [1, 1]]


def test_values_other_than_0_and_1_are_found(task):
    assert task.check(torch.tensor([[1.0, 0.0], [0.0, 2.0]])) == [
        (1, "its multi-hot row holds 2 for the class 'dog'; only 0 and 1 have a meaning")
    ]


def test_rows_of_the_wrong_length_are_found(task):
    assert task.check(torch.zeros(1, 3)) == [(0, "its multi-hot row has 3 values, but there are 2 classes")]


def test_predictions_are_independent_probabilities(task):
    torch.testing.assert_close(task.predictions(torch.tensor([[0.0, 100.0]])), torch.tensor([[0.5, 1.0]]))


def test_metrics_can_be_fed_with_collated_targets(task):
    metric = MultilabelF1Score(2)
    task.update_metric(metric, torch.tensor([[0.9, 0.1]]), task.collate([[1, 0]]))
    assert metric.compute() == 0.5  # one class right, one that never occurs


def test_a_record_lists_the_classes_of_at_least_one_half(task):
    (record,) = task.records(torch.tensor([[0.25, 0.5]]))
    assert record == {"labels": ["dog"], "probabilities": {"cat": 0.25, "dog": 0.5}}
