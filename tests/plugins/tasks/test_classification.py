import pytest
import torch
from imgfw import DatasetInfo
from imgfw_plugins.tasks.classification import Classification


@pytest.fixture
def task():
    return Classification(DatasetInfo(task="classification", classes=("cat", "dog", "owl")))


def test_class_indices_become_one_integer_tensor(task):
    targets = task.collate([2, 0, 1])
    assert targets.dtype == torch.int64
    assert targets.tolist() == [2, 0, 1]


def test_labels_that_no_class_has_are_found_with_their_position(task):
    assert task.check(torch.tensor([0, 12, 2, -1])) == [
        (1, "label 12 is not one of the 3 classes (0..2)"),
        (3, "label -1 is not one of the 3 classes (0..2)"),
    ]


def test_right_labels_pass_the_check(task):
    assert task.check(torch.tensor([0, 1, 2])) == []


def test_predictions_are_float32_probabilities_whatever_the_precision_of_the_logits(task):
    logits = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]], dtype=torch.bfloat16)
    probabilities = task.predictions(logits)
    assert probabilities.dtype == torch.float32
    torch.testing.assert_close(probabilities, logits.float().softmax(1))


def test_a_record_names_the_likeliest_class_and_all_probabilities(task):
    (record,) = task.records(torch.tensor([[0.25, 0.5, 0.25]]))
    assert record == {
        "label": "dog",
        "index": 1,
        "probability": 0.5,
        "probabilities": {"cat": 0.25, "dog": 0.5, "owl": 0.25},
    }
