"""From names to providers and validated settings; whatever is wrong is said with its place, all at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from imgfw import PluginError, RecipeError
from imgfw.catalog.catalog import Catalog
from imgfw.recipe.reading import read_recipe
from imgfw.recipe.resolving import resolve

LOCAL_PLUGIN = """
from imgfw import hookimpl

def net(info, *, width: int = 3):
    "A net of one's own."

@hookimpl
def imgfw_models():
    return [net]
"""


def test_what_a_recipe_leaves_out_is_filled_in(resolved) -> None:
    whole = resolved().to_json()
    assert whole["data"] == {"type": "imgfw/digits", "task": "classification"}
    assert whole["model"] == {"type": "imgfw/small_net", "width": 8, "dropout": 0.0, "freeze": None}
    assert whole["task"] == {"type": "imgfw/classification"}
    assert whole["loss"] == {"type": "imgfw/cross_entropy", "label_smoothing": 0.0}
    assert whole["metrics"] == [{"type": "imgfw/accuracy"}]
    assert whole["optimizer"]["type"] == "imgfw/adamw"
    assert whole["train"]["log_every"] == 100
    assert whole["resolved_with"] == {"imgfw": "0.1.0"}


def test_a_resolved_recipe_resolves_to_itself(resolved, catalog: Catalog, write) -> None:
    changes = {
        "data": {"type": "folder", "root": "cats", "extra": ["more"], "more": {"a": "b"}},
        "loss": {"type": "weighted_sum", "terms": ["cross_entropy", {"type": "cross_entropy"}]},
        "transforms": {
            "train": [{"type": "jitter", "brightness": {"high": 2}}, {"type": "resize", "size": 9}]
        },
        "scheduler": {"type": "plateau", "warmup_epochs": 0.5},
        "callbacks": [{"type": "early_stopping", "monitor": "val/loss"}],
    }
    once = resolved(**changes).to_json()
    again = resolve(read_recipe(write(once)), catalog).to_json()
    assert again == once


def test_a_recipe_with_a_plugin_file_resolves_to_itself_elsewhere(write, catalog, tmp_path: Path) -> None:
    write(LOCAL_PLUGIN, "my_model.py")
    file = write({"data": "digits", "model": "net", "plugins": ["./my_model.py"]})
    once = resolve(read_recipe(file), catalog).to_json()
    assert once["model"]["type"] == "my_model.py/net"
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text(json.dumps(once))
    assert resolve(read_recipe(elsewhere), catalog).to_json()["model"] == once["model"]


def test_a_plugin_file_named_by_set_is_relative_to_the_working_folder(
    write, catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(LOCAL_PLUGIN)
    monkeypatch.chdir(tmp_path)
    source = read_recipe(write({"data": "digits", "model": "net"}), ['plugins=["./mine.py"]'])
    assert resolve(source, catalog).model.provider.qualified == "mine.py/net"


def test_a_plugin_file_that_is_missing_is_an_error_of_the_plugin(write, catalog) -> None:
    with pytest.raises(PluginError, match=r"There is no plugin file .*gone\.py\."):
        resolve(read_recipe(write({"data": "digits", "model": "net", "plugins": ["./gone.py"]})), catalog)


def test_paths_are_relative_to_the_recipe_and_those_of_set_to_the_working_folder(
    write, catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = {"type": "folder", "root": "cats", "extra": ["a", "/b"], "more": {"k": "../c"}}
    file = write({"data": data, "model": "small_net"})
    values = resolve(read_recipe(file, ["data.extra[0]=x"]), catalog).data.values
    assert values["root"] == file.parent / "cats"
    assert values["extra"] == [tmp_path / "x", Path("/b")]
    assert values["more"]["k"] == file.parent / "../c"


def test_a_path_of_set_may_begin_with_the_home_folder(resolved, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    found = resolved("data.root=~/cats", data={"type": "folder"})
    assert found.data.values["root"] == Path("/home/somebody/cats")


def test_the_name_of_a_run_is_the_recipes_or_that_of_its_file(resolved, write, catalog) -> None:
    assert resolved(name="cats").name == "cats"
    assert resolved().name == "run"
    source = read_recipe(write({"data": "digits", "model": "small_net"}, "my best récipe (2).json"))
    named = resolve(source, catalog)
    assert named.name == "my-best-r-cipe-2"
    assert named.to_json()["name"] == "my-best-r-cipe-2"


def test_components_within_components_are_found_and_named_by_their_path(resolved) -> None:
    found = resolved(model={"type": "student", "teacher": {"type": "resnet", "width": 3}})
    teacher = found.model.values["teacher"]
    assert (teacher.provider.qualified, teacher.path) == ("imgfw/resnet", "model.teacher")
    assert found.to_json()["model"]["teacher"]["type"] == "imgfw/resnet"


def test_settings_of_the_core_stand_beside_those_of_a_component(resolved) -> None:
    found = resolved(scheduler={"type": "plateau", "mode": "max", "warmup_steps": 5})
    assert found.scheduler.core.warmup_steps == 5
    assert "warmup_steps" not in found.scheduler.values
    assert found.to_json()["scheduler"]["warmup_steps"] == 5


def test_every_problem_is_reported_at_once(problems) -> None:
    assert problems(
        epochs=3,
        train={"epohcs": 3},
        model={"type": "resnet", "widht": 3},
        loss={"type": "weighted_sum", "terms": ["cross_entropy", {"type": "dice", "smoth": 1}]},
        optimizer={"type": "sgd"},
        callbacks=[{"type": "early_stopping", "monitor": "val/acuracy"}, "erly_stopping"],
    ) == [
        'train.epohcs: unknown setting. Did you mean "epochs"?',
        'epochs: unknown setting. It belongs in "train.epochs".',
        'model.widht (imgfw/resnet): unknown setting. Did you mean "width"?',
        'loss.terms[1].smoth (imgfw/dice): unknown setting. Did you mean "smooth"?',
        "optimizer.lr (imgfw/sgd): is required. See: imgfw describe optimizers sgd",
        'callbacks[1]: there is no callback "erly_stopping". Did you mean "early_stopping"?',
        'callbacks[0].monitor (imgfw/early_stopping): nothing named "val/acuracy" is measured. '
        'Did you mean "val/accuracy"?',
    ]


def test_what_follows_from_another_problem_is_not_reported(problems) -> None:
    assert problems(metrics=["acuracy"], checkpoint={"monitor": "val/accuracy"}) == [
        'metrics[0]: there is no metric "acuracy". Did you mean "accuracy"?'
    ]
    assert problems(data="digitz", loss="dice") == [
        'data: there is no dataset "digitz". Did you mean "digits"?'
    ]


def test_a_recipe_without_data_and_model_says_how_to_find_them(catalog) -> None:
    with pytest.raises(RecipeError) as caught:
        resolve(read_recipe({"dataset": "digits", "optimizer": {"type": "sgd"}}), catalog)
    assert [str(problem) for problem in caught.value.problems] == [
        "data: is required. See: imgfw list datasets",
        "model: is required. See: imgfw list models",
        'dataset: unknown setting. Did you mean "data"?',
        "optimizer.lr (imgfw/sgd): is required. See: imgfw describe optimizers sgd",
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"batch_size": 3}, 'batch_size: unknown setting. It belongs in "loader.batch_size".'),
        (
            {"train": {"batch_size": 3}},
            'train.batch_size: unknown setting. It belongs in "loader.batch_size".',
        ),
        ({"lr": 0.1}, 'lr: unknown setting. It belongs in "optimizer.lr".'),
        ({"epohcs": 5}, 'epohcs: unknown setting. Did you mean "train.epochs"?'),
        ({"train": {"lr": 0.1}}, 'train.lr: unknown setting. It belongs in "optimizer.lr".'),
        ({"monitor": "val/loss"}, 'monitor: unknown setting. It belongs in "checkpoint.monitor".'),
    ],
)
def test_a_setting_in_the_wrong_place_is_told_its_own(problems, changes: dict, expected: str) -> None:
    assert problems(**changes) == [expected]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"seed": "1"}, 'seed: should be an integer, not "1".'),
        ({"seed": 1.0}, "seed: should be an integer, not 1.0."),
        ({"seed": True}, "seed: should be an integer, not true."),
        (
            {"train": {"compile": 1}},
            'train.compile: should be true or false or "reduce-overhead" or "max-autotune", not 1.',
        ),
        ({"train": {"epochs": 0}}, "train.epochs: should be at least 1, not 0."),
        ({"train": {"epochs": 1_000_001}}, "train.epochs: should be at most 1000000, not 1000001."),
        ({"train": [3]}, "train: should be an object, not [3]."),
        ({"version": 2}, "version: should be 1, not 2."),
        (
            {"train": {"device": "gpu"}},
            'train.device: should be "auto", "cpu", "cuda", "cuda:0" and so on, or "mps", not "gpu".',
        ),
        (
            {"loader": {"num_workers": "all"}},
            'loader.num_workers: should be an integer or "auto", not "all".',
        ),
        ({"loss": 5}, 'loss: should be a name, or an object with "type" and settings, not 5.'),
        (
            {"model": {"width": 64}},
            'model: should be a name, or an object with "type" and settings, not {"width": 64}.',
        ),
        (
            {"optimizer": {"type": "sgd", "lr": "0.1"}},
            'optimizer.lr (imgfw/sgd): should be a number, not "0.1".',
        ),
        (
            {"optimizer": {"type": "sgd", "lr": 0}},
            "optimizer.lr (imgfw/sgd): should be greater than 0, not 0.",
        ),
        (
            {"optimizer": {"type": "sgd", "lr": 1, "nesterov": 1}},
            "optimizer.nesterov (imgfw/sgd): should be true or false, not 1.",
        ),
        (
            {"optimizer": {"type": "adamw", "betas": [0.9]}},
            "optimizer.betas (imgfw/adamw): should be a longer list, not [0.9].",
        ),
        (
            {"model": {"type": "resnet", "pretrained": 3}},
            'model.pretrained (imgfw/resnet): should be true or false, "V1" or a string, not 3.',
        ),
        (
            {"model": {"type": "small_net", "freeze": 3}},
            'model.freeze (imgfw): should be "backbone" or a list, not 3.',
        ),
        (
            {"model": {"type": "small_net", "freez": 3}},
            'model.freez (imgfw/small_net): unknown setting. Did you mean "freeze"?',
        ),
        (
            {"transforms": {"train": [{"type": "resize", "size": "a"}]}},
            'transforms.train[0].size (imgfw/resize): should be an integer or a list, not "a".',
        ),
        (
            {"transforms": {"train": [{"type": "resize", "size": [1, "a"]}]}},
            'transforms.train[0].size[1] (imgfw/resize): should be an integer, not "a".',
        ),
        (
            {"transforms": {"train": [{"type": "resize", "size": [1, 2, 3]}]}},
            "transforms.train[0].size (imgfw/resize): should be an integer or a list of at most 2, "
            "not [1, 2, 3].",
        ),
        (
            {"transforms": {"train": [{"type": "jitter", "brightness": {"high": 1, "lwo": 0}}]}},
            'transforms.train[0].brightness.lwo (imgfw/jitter): unknown setting. Did you mean "low"?',
        ),
        (
            {"transforms": {"train": [{"type": "jitter", "order": ["hui"]}]}},
            'transforms.train[0].order[0] (imgfw/jitter): should be "hue" or "gamma", not "hui".',
        ),
        (
            {"loss": {"type": "weighted_sum", "terms": []}},
            "loss.terms (imgfw/weighted_sum): should be a list of at least 1, not [].",
        ),
        (
            {"data": "anything"},
            "task: is required: the dataset does not say it. See: imgfw list tasks",
        ),
        (
            {"data": {"type": "digits", "task": "segmentation"}},
            "loss: is required for segmentation. See: imgfw list losses",
        ),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_in_words(problems, changes: dict, expected: str) -> None:
    assert problems(**changes) == [expected]


def test_integers_are_numbers_and_lists_are_tuples(resolved) -> None:
    found = resolved(optimizer={"type": "adamw", "lr": 1, "betas": [0, 1]})
    assert found.optimizer.values == {"lr": 1.0, "betas": (0.0, 1.0)}


def test_a_name_that_a_loaded_plugin_has_too_is_noted(write, catalog) -> None:
    write(LOCAL_PLUGIN.replace("net", "small_net"), "rival.py")
    bare = {"data": "digits", "model": "small_net", "plugins": ["./rival.py"]}
    [note] = resolve(read_recipe(write(bare)), catalog).notes
    assert str(note) == 'model: "small_net" means imgfw/small_net, not rival.py/small_net.'
    qualified = bare | {"model": "imgfw/small_net"}
    assert resolve(read_recipe(write(qualified)), catalog).notes == []


def test_settings_without_a_type_belong_to_the_default_optimizer(resolved) -> None:
    assert resolved(optimizer={"lr": 0.5}).optimizer.to_json()["type"] == "imgfw/adamw"
