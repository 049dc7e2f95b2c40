"""A recipe is data: JSON, YAML or TOML, changed by `--set`; whatever is wrong with the file is named."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from imgfw import RecipeError, UsageError
from imgfw.recipe.reading import read_recipe

RECIPE = {
    "data": "digits",
    "model": {"type": "resnet18", "pretrained": True},
    "optimizer": {"type": "sgd", "lr": 1e-3},
    "transforms": {"train": ["to_float", {"type": "resize", "size": [8, 8]}]},
}


def problem(write, text: str, name: str = "recipe.json") -> str:
    with pytest.raises(RecipeError) as caught:
        read_recipe(write(text, name))
    [only] = caught.value.problems
    return str(only)


def test_a_file_is_read_with_its_folder_and_its_name(write) -> None:
    file = write(RECIPE, "cats.json")
    source = read_recipe(file)
    assert source.raw == RECIPE
    assert (source.folder, source.stem, source.label) == (file.parent, "cats", str(file))


def test_yaml_and_toml_read_the_same(write) -> None:
    yaml = """
        data: digits
        model: {type: resnet18, pretrained: true}
        optimizer:
          type: sgd
          lr: 1e-3
        transforms:
          train: [to_float, {type: resize, size: [8, 8]}]
    """
    toml = """
        data = "digits"
        model = {type = "resnet18", pretrained = true}
        optimizer.type = "sgd"
        optimizer.lr = 1e-3
        transforms.train = ["to_float", {type = "resize", size = [8, 8]}]
    """
    assert read_recipe(write(yaml, "a.yaml")).raw == RECIPE
    assert read_recipe(write(yaml, "a.yml")).raw == RECIPE
    assert read_recipe(write(toml, "a.toml")).raw == RECIPE


def test_a_dict_is_a_recipe_whose_paths_are_relative_to_the_working_folder() -> None:
    source = read_recipe({"data": {"type": "image_folder", "root": Path("cats")}, "size": (1, 2)})
    assert source.raw == {"data": {"type": "image_folder", "root": "cats"}, "size": [1, 2]}
    assert (source.folder, source.label) == (Path.cwd(), "the recipe")


def test_the_dict_given_is_not_changed_by_set() -> None:
    given = {"data": "digits", "train": {"epochs": 3}}
    read_recipe(given, ["train.epochs=5"])
    assert given == {"data": "digits", "train": {"epochs": 3}}


def test_a_file_with_a_byte_order_mark_is_read(write) -> None:
    assert read_recipe(write("\ufeff" + json.dumps(RECIPE))).raw == RECIPE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{\n  "seed": 1,\n}', "line 3, column 1: is not JSON: Expecting property name enclosed in double"),
        ("", "line 1, column 1: is not JSON: Expecting value."),
        ('{"seed": 1, "seed": 2}', 'recipe: the key "seed" stands twice in one object.'),
        ('{"a": {"b": [{"c": 1, "c": 1}]}}', 'recipe: the key "c" stands twice in one object.'),
        ('{"lr": NaN}', "recipe: NaN is not a number that a recipe may hold."),
        ('{"lr": -Infinity}', "recipe: -Infinity is not a number that a recipe may hold."),
        ("[1, 2]", "recipe: a recipe is an object with keys, as {…}."),
        ('{"a":' * 41 + "1" + "}" * 41, "recipe: is nested deeper than 40 levels."),
        ("[" * 100_000, "recipe: is nested deeper than 40 levels."),
        (" " * 1_000_001, "recipe: is larger than 1,000,000 bytes."),
        ('{"a": [1, 1e999]}', "a[1]: inf is not a number that a recipe may hold."),
        ('{"a": 9223372036854775808}', "a: 9223372036854775808 is an integer of more than 64 bits."),
        ('{"a": -%s}' % ("9" * 5000), "recipe: holds a number of too many digits."),
        ('{"a": [%s1]}' % ("1," * 100_000), "recipe: holds more than 100,000 values."),
        ('{"a": "b\\u0000"}', 'a: "b\\u0000" holds the character U+0000, which is no text.'),
        ('{"a\\u001b": 1}', 'recipe: the key "a\\u001b" holds the character U+001B, which is no text.'),
        ('{"a": "\\ud800"}', 'a: "\\ud800" holds the character U+D800, which is no text.'),
        (
            '{"a": "%s"}' % ("b" * 5000),
            'a: "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb… has 5,000 characters, more than 4,',
        ),
        (
            '{"%s": 1}' % ("k" * 201),
            'recipe: the key "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk… has 201 characters, more th',
        ),
    ],
)
def test_malformed_json_is_refused_with_its_place(write, text: str, expected: str) -> None:
    assert problem(write, text).startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: [", "line 2, column 5: is not YAML: expected the node content, but found '<stream end>'."),
        ("a: 1\na: 2", 'line 2, column 1: is not YAML: the key "a" stands twice.'),
        ("a: &x [1]\nb: *x", "line 2, column 4: is not YAML: aliases (*name) are not allowed."),
        ("? [1]\n: 2", "line 1, column 3: is not YAML: a key must be a word."),
        ("a: !!python/name:os.system x", "line 1, column 4: is not YAML: tags (!name) are not allowed."),
        ("a: !!binary AAAA", "line 1, column 4: is not YAML: tags (!name) are not allowed."),
        ("[" * 10_000, "recipe: is nested deeper than 40 levels."),
        ("a: " + "9" * 5000, "recipe: holds a number of too many digits."),
        ("a: \x07", "recipe: is not YAML: unacceptable character #x0007"),
    ],
)
def test_malformed_yaml_is_refused_with_its_place(write, text: str, expected: str) -> None:
    assert problem(write, text, "a.yaml").startswith(expected)


def test_words_of_yaml_that_json_does_not_have_are_strings(write) -> None:
    source = read_recipe(write("a: off\nb: 12:30\nc: 2020-01-01\nd: .inf\ne: 010\n", "a.yaml"))
    assert source.raw == {"a": "off", "b": "12:30", "c": "2020-01-01", "d": ".inf", "e": "010"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = ", "recipe: is not TOML: Invalid value (at end of document)."),
        ("a = 1\na = 2", "recipe: is not TOML: Cannot overwrite a value (at end of document)."),
        ("a = " + "[" * 10_000, "recipe: is nested deeper than 40 levels."),
        ("a" + ".a" * 100_000 + " = 1", "recipe: is nested deeper than 40 levels."),
        ("[" + '"a" . ' * 100_000 + "a]", "recipe: is nested deeper than 40 levels."),
        ("a = 0x" + "f" * 10_000, "recipe: holds a number of too many digits."),
        ("a = nan", "recipe: NaN is not a number that a recipe may hold."),
    ],
)
def test_malformed_toml_is_refused_with_its_place(write, text: str, expected: str) -> None:
    assert problem(write, text, "a.toml") == expected


def test_a_key_that_stands_twice_is_found_among_very_many(write) -> None:
    many = ", ".join(f'"{number}": 0' for number in range(60_000))
    assert 'the key "59999" stands twice' in problem(write, "{" + many + ', "59999": 1}')


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "recipe.json"
    os.mkfifo(pipe)
    for file in (pipe, Path("/dev/zero")):
        with pytest.raises(UsageError, match="it is no regular file"):
            read_recipe(file)


@pytest.mark.parametrize("name", ["a\0b.json", "a" * 5000])
def test_a_name_that_no_file_can_have_is_an_error_of_usage(name: str) -> None:
    with pytest.raises(UsageError, match="Cannot read the recipe"):
        read_recipe(name)


def test_a_dict_deeper_than_python_goes_is_refused() -> None:
    deep: dict[str, object] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    with pytest.raises(RecipeError, match="nested deeper than 40"):
        read_recipe(deep)


def test_a_file_that_is_no_text_is_refused(write) -> None:
    file = write("")
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="is not a text file in UTF-8"):
        read_recipe(file)


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, object()])
def test_a_dict_that_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(RecipeError, match="cannot be written as JSON"):
        read_recipe({"optimizer": {"type": "sgd", "lr": value}})


def test_a_missing_file_is_an_error_of_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no recipe .*nothing\.json\. Begin one with: imgfw init"):
        read_recipe(tmp_path / "nothing.json")
    with pytest.raises(UsageError, match="Cannot read the recipe"):
        read_recipe(tmp_path)


@pytest.mark.parametrize(
    ("word", "path", "value"),
    [
        ("seed=3", ("seed",), 3),
        ("optimizer.lr=0.5", ("optimizer", "lr"), 0.5),
        ("model.pretrained=false", ("model", "pretrained"), False),
        ("model.pretrained=null", ("model", "pretrained"), None),
        ("model=vgg16", ("model",), "vgg16"),
        ('model={"type": "vgg16"}', ("model",), {"type": "vgg16"}),
        ("transforms.train[1].size=[4, 4]", ("transforms", "train", 1, "size"), [4, 4]),
        ("transforms.train.1.size=4", ("transforms", "train", 1, "size"), 4),
        ("transforms.train[0]=normalize", ("transforms", "train", 0), "normalize"),
        ("train.epochs=2", ("train", "epochs"), 2),
        ("name=a=b", ("name",), "a=b"),
        ("data.root=", ("data", "root"), ""),
    ],
)
def test_set_changes_one_value(word: str, path: tuple[str | int, ...], value: object) -> None:
    found = read_recipe(RECIPE, [word]).raw
    for step in path:
        found = found[step]  # type: ignore[index]
    assert found == value


def test_set_gives_settings_to_a_bare_name() -> None:
    raw = read_recipe(RECIPE, ["data.fraction=0.5", "transforms.train[0].scale=true"]).raw
    assert raw["data"] == {"type": "digits", "fraction": 0.5}
    assert raw["transforms"]["train"][0] == {"type": "to_float", "scale": True}


def test_later_words_of_set_win() -> None:
    assert read_recipe(RECIPE, ["seed=1", "seed=2"]).raw["seed"] == 2


def test_set_remembers_what_it_changed_in_one_way_of_writing() -> None:
    source = read_recipe(RECIPE, ["transforms.train.1.size=4", "optimizer.lr=1"])
    assert source.overridden == ("transforms.train[1].size", "optimizer.lr")
    assert source.is_overridden("transforms.train[1].size[0]")
    assert not source.is_overridden("transforms.train[1].sizes")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("epochs", '--set epochs: write it as path=value, for example "optimizer.lr=0.01".'),
        ("=3", '--set =3: write it as path=value, for example "optimizer.lr=0.01".'),
        ("transforms.train[2]=x", "--set transforms.train[2]=x: '2' is no position in a list of 2."),
        (
            "callbacks[0].patience=3",
            "--set callbacks[0].patience=3: the recipe gives no callbacks, so there is no item to change. "
            'Give the list as a whole: --set \'callbacks=[…]\', with {"type": "NAME"} for a component.',
        ),
        ("transforms.train.size=3", "--set transforms.train.size=3: 'size' is no position in a list of 2."),
        ("optimizer.lr.x=1", "--set optimizer.lr.x=1: 'lr' holds 0.001, which has no settings."),
        ("transforms.train[²]=x", "--set transforms.train[²]=x: '²' is no position in a list of 2."),
        ("seed=" + "9" * 5000, f"--set seed={'9' * 5000}: holds a number of too many digits."),
        ("optimizer.lr=NaN", "--set optimizer.lr=NaN: NaN is not a number that a recipe may hold."),
        (
            'model={"type": "a", "type": "b"}',
            '--set model={"type": "a", "type": "b"}: the key "type" stands twice in one object.',
        ),
    ],
)
def test_a_malformed_word_of_set_is_an_error_of_usage(word: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_recipe(RECIPE, [word])
    assert str(caught.value) == message
