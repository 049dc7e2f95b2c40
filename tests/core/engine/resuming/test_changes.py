"""Which changes of a run's recipe are safe, which change its trajectory, and which are impossible."""

from __future__ import annotations

import pytest
from imgfw.engine.resuming.changes import Difference, Done, Effect, differences, judge

DONE = Done(epochs=3, steps=24)

SAFE, TRAJECTORY, IMPOSSIBLE = Effect.SAFE, Effect.TRAJECTORY, Effect.IMPOSSIBLE


@pytest.mark.parametrize(
    ("path", "old", "new", "effect"),
    [
        ("train.epochs", 3, 4, SAFE),
        ("train.epochs", 5, 3, SAFE),
        ("train.epochs", 5, 2, IMPOSSIBLE),
        ("train.epochs", 3, None, SAFE),
        ("train.steps", None, 24, SAFE),
        ("train.steps", 30, 23, IMPOSSIBLE),
        ("train.log_every", 100, 1, SAFE),
        ("checkpoint.every", 1, 5, SAFE),
        ("checkpoint.keep", 2, 5, SAFE),
        ("loader.num_workers", 0, 4, SAFE),
        ("loader.prefetch", 2, 4, SAFE),
        ("max_bad_fraction", 0.1, 0.2, SAFE),
        ("name", "a", "b", SAFE),
        ("output_dir", "runs", "elsewhere", SAFE),
        ("plugins", [], ["./x.py"], SAFE),
        ("plugins[0]", "./x.py", "./y.py", SAFE),
        ("train.device", "cuda", "cpu", SAFE),
        ("seed", 0, 1, TRAJECTORY),
        ("loader.batch_size", 64, 32, TRAJECTORY),
        ("loader.drop_last", False, True, TRAJECTORY),
        ("loader.decode", "cpu", "device", TRAJECTORY),
        ("train.accumulate", 1, 2, TRAJECTORY),
        ("train.precision", "fp32", "bf16", TRAJECTORY),
        ("train.compile", False, "reduce-overhead", TRAJECTORY),
        ("train.clip_grad_norm", None, 1.0, TRAJECTORY),
        ("train.ema_decay", 0.9, 0.99, TRAJECTORY),
        ("train.ema_decay", None, 0.99, IMPOSSIBLE),
        ("transforms.train[0].size", 8, 9, TRAJECTORY),
        ("transforms.train", [], ["x"], TRAJECTORY),
        ("split.val_fraction", 0.1, 0.2, TRAJECTORY),
        ("data.root", "/a", "/b", TRAJECTORY),
        ("loss", {"type": "imgfw/dice"}, {"type": "imgfw/focal"}, TRAJECTORY),
        ("metrics", [], ["x"], TRAJECTORY),
        ("checkpoint.monitor", None, "val/loss", TRAJECTORY),
        ("callbacks[0].patience", 5, 6, TRAJECTORY),
        ("callbacks", [], ["x"], TRAJECTORY),
        ("scheduler.gamma", 0.1, 0.2, TRAJECTORY),
        ("scheduler", {"type": "imgfw/cosine"}, {"type": "imgfw/step"}, IMPOSSIBLE),
        ("optimizer.lr", 0.1, 0.2, TRAJECTORY),
        ("optimizer.weight_decay", 0.0, 0.1, TRAJECTORY),
        ("optimizer.betas", [0.9, 0.99], [0.8, 0.99], TRAJECTORY),
        ("optimizer.momentum", 0.9, 0.8, TRAJECTORY),
        ("optimizer.momentum", 0.0, 0.9, IMPOSSIBLE),
        ("optimizer.amsgrad", False, True, IMPOSSIBLE),
        ("optimizer.decay_norm_and_bias", True, False, IMPOSSIBLE),
        ("optimizer", {"type": "imgfw/sgd"}, {"type": "imgfw/adamw"}, IMPOSSIBLE),
        ("model", {"type": "imgfw/unet"}, {"type": "imgfw/resnet9"}, IMPOSSIBLE),
        ("model.width", 8, 16, IMPOSSIBLE),
        ("task", {"type": "imgfw/classification"}, {"type": "imgfw/multilabel"}, IMPOSSIBLE),
        ("data", {"type": "imgfw/digits"}, {"type": "imgfw/mnist"}, IMPOSSIBLE),
        ("a.key.of.tomorrow", 1, 2, TRAJECTORY),
    ],
)
def test_every_change_is_of_one_class(path, old, new, effect):
    assert judge(Difference(path, old, new), DONE).effect is effect


def test_settings_are_compared_one_by_one():
    old = {"optimizer": {"type": "imgfw/sgd", "lr": 0.1, "momentum": 0.9}, "seed": 1}
    new = {"optimizer": {"type": "imgfw/sgd", "lr": 0.2, "momentum": 0.9}, "seed": 1}
    assert differences(old, new) == [Difference("optimizer.lr", 0.1, 0.2)]


def test_an_exchanged_component_is_one_difference():
    old, new = {"type": "imgfw/sgd", "lr": 0.1}, {"type": "imgfw/adamw", "lr": 0.2, "fused": "auto"}
    found = differences({"optimizer": old}, {"optimizer": new})
    assert [str(difference) for difference in found] == ["optimizer: imgfw/sgd -> imgfw/adamw"]


def test_the_same_list_of_components_is_compared_within():
    old, new = [{"type": "a", "x": 1}, {"type": "b"}], [{"type": "a", "x": 2}, {"type": "b"}]
    assert differences({"callbacks": old}, {"callbacks": new}) == [Difference("callbacks[0].x", 1, 2)]


def test_another_list_of_components_is_one_difference():
    found = differences({"callbacks": [{"type": "a"}]}, {"callbacks": [{"type": "a"}, {"type": "b"}]})
    assert [str(difference) for difference in found] == ["callbacks: [a] -> [a, b]"]


def test_the_versions_that_resolved_a_recipe_are_no_difference():
    assert differences({"resolved_with": {"imgfw": "1"}}, {"resolved_with": {"imgfw": "2"}}) == []
