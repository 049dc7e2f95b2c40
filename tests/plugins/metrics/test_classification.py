from types import SimpleNamespace

import imgfw
import pytest
import torch
from imgfw_plugins.metrics.classification import accuracy, auroc, balanced_accuracy, f1, precision, recall

INFO = imgfw.DatasetInfo(task="classification", classes=("a", "b", "c"))


def batches(sizes=(5, 8, 1, 7)):
    generator = torch.Generator().manual_seed(0)
    return [(torch.rand(size, 3, generator=generator).softmax(1), torch.arange(size) % 3) for size in sizes]


def certain(*classes):
    return torch.eye(3)[list(classes)]


def result_names(provider, **settings):
    return dict(provider.__imgfw_about__.results(SimpleNamespace(**settings)))


def computed(metric, predictions, targets):
    metric.update(predictions, torch.tensor(targets))
    return metric.compute().item()


def test_accuracy_is_the_share_of_images_that_are_right():
    assert computed(accuracy(INFO), certain(0, 0, 0, 1), [0, 0, 1, 1]) == 0.75


def test_top_k_accuracy_lets_the_class_be_among_the_likeliest():
    probabilities = torch.tensor([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]])
    assert computed(accuracy(INFO, top_k=2), probabilities, [1, 2]) == 0.5
    assert result_names(accuracy, top_k=2) == {"accuracy_top2": "max"}
    assert result_names(accuracy, top_k=1) == {"accuracy": "max"}


def test_more_likeliest_classes_than_there_are_is_refused():
    with pytest.raises(ValueError, match="top_k is 5, but there are only 3 classes"):
        accuracy(INFO, top_k=5)


def test_balanced_accuracy_is_the_mean_over_the_classes_that_occur():
    value = computed(balanced_accuracy(INFO), certain(0, 0, 2, 1), [0, 0, 0, 1])
    assert value == pytest.approx((2 / 3 + 1) / 2)


def test_precision_recall_and_f1_are_means_over_classes():
    predictions, targets = certain(0, 0, 1, 2), [0, 1, 1, 2]
    assert computed(precision(INFO), predictions, targets) == pytest.approx((1 / 2 + 1 + 1) / 3)
    assert computed(recall(INFO), predictions, targets) == pytest.approx((1 + 1 / 2 + 1) / 3)
    assert computed(f1(INFO), predictions, targets) == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)


@pytest.mark.parametrize("provider", [f1, precision, recall])
def test_the_micro_mean_is_over_all_decisions_and_has_its_own_name(provider):
    name = provider.__name__
    assert computed(provider(INFO, average="micro"), certain(0, 0, 1, 2), [0, 1, 1, 2]) == 0.75
    assert result_names(provider, average="micro") == {f"{name}_micro": "max"}
    assert result_names(provider, average="macro") == {name: "max"}


@pytest.mark.parametrize("thresholds", [None, 50])
def test_auroc_is_1_for_a_perfect_order(thresholds):
    assert computed(auroc(INFO, thresholds=thresholds), certain(0, 1, 2, 2), [0, 1, 2, 2]) == 1.0


@pytest.mark.parametrize("provider", [accuracy, balanced_accuracy, f1, precision, recall, auroc])
def test_processes_together_compute_what_one_does(provider, at_once, in_two_processes):
    def make():
        return provider(INFO)

    torch.testing.assert_close(in_two_processes(make, batches()), at_once(make, batches()), rtol=0, atol=0)


@pytest.mark.parametrize("provider", [accuracy, balanced_accuracy, f1, precision, recall, auroc])
def test_it_does_not_matter_in_what_batches_the_data_comes(provider, at_once):
    def make():
        return provider(INFO)

    whole = tuple(torch.cat(parts) for parts in zip(*batches(), strict=True))
    torch.testing.assert_close(at_once(make, [whole]), at_once(make, batches()), rtol=0, atol=0)
