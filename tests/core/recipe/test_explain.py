"""Every value of a resolved recipe tells where it comes from."""

from __future__ import annotations

from imgfw.recipe.explain import explain


def test_each_value_has_its_origin(resolved) -> None:
    found = resolved(
        "train.epochs=3",
        "transforms.train.0.size=9",
        "loss=cross_entropy",
        optimizer={"type": "sgd", "lr": 0.1},
        transforms={"train": [{"type": "resize", "size": 8}]},
    )
    found.auto["loader.num_workers"] = 2
    origins = {item.path: (item.value, item.origin) for item in explain(found)}
    assert origins["data.type"] == ("imgfw/digits", "recipe")
    assert origins["data.task"] == ("classification", "default")
    assert origins["task.type"] == ("imgfw/classification", "default")
    assert origins["optimizer.lr"] == (0.1, "recipe")
    assert origins["optimizer.nesterov"] == (False, "default")
    assert origins["train.epochs"] == (3, "--set")
    assert origins["train.steps"] == (None, "default")
    assert origins["transforms.train[0].type"] == ("imgfw/resize", "recipe")
    assert origins["transforms.train[0].size"] == (9, "--set")
    assert origins["loss.type"] == ("imgfw/cross_entropy", "--set")
    assert origins["loader.num_workers"] == (2, "auto")
    assert origins["callbacks"] == ([], "default")


def test_values_come_in_the_order_of_the_recipe_format(resolved) -> None:
    sections = [item.path.split(".")[0].split("[")[0] for item in explain(resolved())]
    assert list(dict.fromkeys(sections))[:6] == ["version", "name", "seed", "plugins", "data", "task"]
