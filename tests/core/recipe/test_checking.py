"""Parts that don't fit each other are found before any data is read."""

from __future__ import annotations

import pytest
from imgfw.recipe.checking import default_monitor, reported_metrics

DETECTION = {"data": {"type": "digits", "task": "detection"}, "model": "detector"}
SEGMENTATION = {"data": {"type": "digits", "task": "segmentation"}, "loss": "dice"}


@pytest.mark.parametrize("changes", [{}, DETECTION, SEGMENTATION])
def test_parts_that_fit_pass(problems, changes: dict) -> None:
    assert problems(**changes) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"loss": "dice"},
            "loss (imgfw/dice): the loss dice is for segmentation, but the task is classification. "
            "See: imgfw list losses",
        ),
        (
            {"loss": {"type": "weighted_sum", "terms": ["cross_entropy", "dice"]}},
            "loss.terms[1] (imgfw/dice): the loss dice is for segmentation, but the task is classification. "
            "See: imgfw list losses",
        ),
        (
            DETECTION | {"loss": "cross_entropy"},
            'loss (imgfw/cross_entropy): detector computes its losses itself. Write "own_losses".',
        ),
        (
            {"loss": "own_losses"},
            "loss (imgfw/own_losses): small_net computes no losses of its own. Name a loss.",
        ),
        (
            {"loss": "batch_dice", "train": {"accumulate": 2}},
            "train.accumulate (imgfw/batch_dice): batch_dice depends on the whole batch at once, "
            "so it cannot be accumulated. Set it to 1.",
        ),
        (
            {"loss": "batch_dice", "train": {"on_out_of_memory": "split"}},
            "train.on_out_of_memory (imgfw/batch_dice): batch_dice depends on the whole batch at once, "
            'so it cannot be split. Set it to "error".',
        ),
        (
            {"loss": {"type": "weighted_sum", "terms": ["batch_dice"]}, "train": {"accumulate": 2}},
            "train.accumulate (imgfw/batch_dice): batch_dice depends on the whole batch at once, "
            "so it cannot be accumulated. Set it to 1.",
        ),
        (
            {"train": {"epochs": 1, "steps": 1}},
            'train: "epochs" and "steps" exclude each other. Set one to null.',
        ),
        (
            {"train": {"accumulate": 8}, "loader": {"batch_size": 4}},
            "train.accumulate: 8 micro-batches cannot be cut from a batch of 4.",
        ),
        (
            {"scheduler": {"type": "constant", "warmup_epochs": 1, "warmup_steps": 1}},
            'scheduler: "warmup_epochs" and "warmup_steps" exclude each other. Remove one.',
        ),
        (
            {"split": {"val_fraction": 0.5, "test_fraction": 0.5}},
            "split: the fractions leave no training data.",
        ),
        (
            {"checkpoint": {"monitor": "val/acuracy"}},
            'checkpoint.monitor: nothing named "val/acuracy" is measured. Did you mean "val/accuracy"?',
        ),
        (
            {"scheduler": {"type": "plateau", "monitor": "qqq"}},
            'scheduler.monitor (imgfw/plateau): nothing named "qqq" is measured. '
            "Measured: train/loss, val/loss, val/accuracy, val/top5.",
        ),
        (
            {"callbacks": [{"type": "watch", "monitor": "accuracy"}]},
            'callbacks[0].monitor (imgfw/watch): nothing named "accuracy" is measured. '
            'Did you mean "val/accuracy"?',
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(problems, changes: dict, expected: str) -> None:
    assert problems(**changes) == [expected]


def test_images_must_be_large_enough_for_the_model_after_the_transforms(problems) -> None:
    resize = {"type": "resize", "size": 32}
    assert problems(model="resnet", transforms={"train": [resize]}) == [
        "transforms.eval (imgfw/resnet): images are 8x8 pixels, but resnet needs at least 32x32. "
        'Add {"type": "resize", "size": [32, 32]}, or choose another model.'
    ]
    assert problems(model="resnet", transforms={"train": [resize], "eval": [resize]}) == []


def test_the_smallest_size_may_depend_on_the_models_settings(problems) -> None:
    assert problems(model={"type": "small_net", "width": 8}) == []
    assert problems(model={"type": "small_net", "width": 9}) == [
        "transforms (imgfw/small_net): images are 8x8 pixels, but small_net needs at least 9x9. "
        'Add {"type": "resize", "size": [9, 9]}, or choose another model.'
    ]


def test_a_monitor_may_be_left_out_where_that_is_allowed(problems) -> None:
    assert problems(callbacks=["watch"]) == []


def test_a_mode_against_the_metrics_own_is_a_warning(checked) -> None:
    found = checked(
        callbacks=[{"type": "early_stopping", "monitor": "val/accuracy", "mode": "min"}],
        checkpoint={"mode": "max"},
    )
    assert [str(warning) for warning in found.warnings] == [
        'callbacks[0].mode: is "min", but val/accuracy is better when it is maximal.'
    ]


def test_normalising_twice_is_a_warning(checked) -> None:
    found = checked(**DETECTION, transforms={"train": ["normalize"], "eval": []})
    assert [str(warning) for warning in found.warnings] == [
        "transforms.train[0] (imgfw/normalize): detector normalises images itself. Remove it."
    ]


def test_what_is_measured_follows_from_metrics_and_loss(checked) -> None:
    assert reported_metrics(checked().recipe) == {
        "train/loss": "min",
        "val/loss": "min",
        "val/accuracy": "max",
        "val/top5": "max",
    }
    assert reported_metrics(checked(**DETECTION).recipe) == {"train/loss": "min"}
    assert reported_metrics(checked(**SEGMENTATION).recipe)["val/mean_iou"] == "max"


def test_best_goes_by_the_first_metric_else_by_the_loss(checked) -> None:
    assert default_monitor(checked().recipe) == "val/accuracy"
    assert default_monitor(checked(metrics=[]).recipe) == "val/loss"
    assert default_monitor(checked(**DETECTION, checkpoint={"mode": "min"}).recipe) == "train/loss"
