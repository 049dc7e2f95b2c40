import sys

import pytest
import torch
from imgfw import PluginError
from imgfw_plugins.metrics.detection import mean_average_precision
from torchmetrics.detection import MeanAveragePrecision


def image(*boxes, shift=0.0, highest_score=0.9):
    """The true objects of an image, and detections that are `shift` pixels off."""
    corners = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    labels = torch.arange(len(boxes)) % 2
    scores = highest_score - 0.4 * torch.arange(len(boxes))
    size = torch.tensor([100, 100])
    moved = corners + torch.tensor([shift, 0.0, shift, 0.0])
    return (
        [{"boxes": moved, "scores": scores, "labels": labels}],
        [{"boxes": corners, "labels": labels, "image_size": size}],
    )


BATCHES_WITH_EQUAL_SCORES = [
    image([10, 10, 30, 30], [40, 40, 80, 80]),
    image([5, 5, 25, 45], shift=3.0),
    image([0, 0, 50, 50], [50, 50, 100, 100], shift=9.0),
]


def test_perfect_detections_reach_1(at_once):
    results = at_once(mean_average_precision, [image([10, 10, 30, 30], [40, 40, 80, 80]), image()])
    assert results == {"map50_95": 1.0, "map50": 1.0}


def test_boxes_that_are_a_little_off_count_at_low_overlaps_only(at_once):
    results = at_once(mean_average_precision, [image([10, 10, 30, 30], shift=4.8)])
    assert results["map50"] == 1.0  # overlap 0.61
    assert results["map50_95"].item() == pytest.approx(0.3)


def test_the_results_are_those_it_announces():
    assert dict(mean_average_precision.__imgfw_about__.results(None)) == {"map50_95": "max", "map50": "max"}


def test_data_without_objects_scores_0(at_once):
    assert at_once(mean_average_precision, [image()]) == {"map50_95": 0.0, "map50": 0.0}


def test_processes_together_compute_what_one_does_even_where_scores_are_equal(at_once, in_two_processes):
    together = in_two_processes(mean_average_precision, BATCHES_WITH_EQUAL_SCORES)
    assert together == at_once(mean_average_precision, BATCHES_WITH_EQUAL_SCORES)
    assert 0 < together["map50_95"] < 1


def test_it_can_be_computed_again_after_a_reset():
    metric = mean_average_precision()
    for shift in (0.0, 4.8):
        metric.reset()
        metric.update(*image([10, 10, 30, 30], shift=shift))
        result = metric.compute()
    assert result["map50_95"].item() == pytest.approx(0.3)


def test_without_pycocotools_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(PluginError, match=r"needs pycocotools.*pip install 'imgfw\[detection\]'"):
        mean_average_precision()


def test_it_agrees_with_torchmetrics(at_once):
    batches = [
        image([10, 10, 30, 30], [40, 40, 80, 80]),
        image([5, 5, 25, 45], shift=3.0, highest_score=0.8),
        image([0, 0, 50, 50], [50, 50, 100, 100], shift=9.0, highest_score=0.95),
    ]
    reference = MeanAveragePrecision()
    for batch in batches:
        reference.update(*batch)
    expected = reference.compute()
    assert at_once(mean_average_precision, batches) == {
        "map50_95": expected["map"],
        "map50": expected["map_50"],
    }
