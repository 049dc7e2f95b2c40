"""The JSON Schema of recipes agrees with what imgfw accepts, whatever plugins are installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from imgfw.catalog.catalog import Catalog
from imgfw.catalog.discovery import BUILTIN, Declaration, discover
from imgfw.catalog.selection import Selection
from imgfw.contract.kinds import KINDS
from imgfw.recipe.checking import check
from imgfw.recipe.json_schema import recipe_schema
from imgfw.recipe.reading import read_recipe
from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = sorted((ROOT / "examples").glob("*.json"))

PLUGIN = '''
from imgfw import hookimpl
from pathlib import Path
from typing import Annotated, Literal
import imgfw
from imgfw import Ge, Gt, Settings

class Stem(Settings):
    """How the net begins."""
    width: Annotated[int, Ge(1)] = 8
    inner: imgfw.Model | None = None

def tiny(info, *, depth: Annotated[int, Gt(0)] = 2, kind: Literal["a", "b"] = "a", stem: Stem = Stem(),
         weights: Path | None = None, size: tuple[int, int] = (3, 4)):
    """A tiny net.

    Args:
        depth: how many layers there are,
            at least one.
        kind: a or b.
    """

def resnet50(info):
    """Another ResNet."""

class Odd: ...

def odd(info, *, thing: Odd = None):
    """A net with a setting that JSON cannot say."""

def clamped(*, of: imgfw.Loss):
    """Another loss, clamped."""

@hookimpl
def imgfw_models(): return [tiny, resnet50, odd]
@hookimpl
def imgfw_losses(): return [clamped]
'''


@pytest.fixture(scope="module")
def plain() -> Draft202012Validator:
    """The schema of the built-ins."""
    return Draft202012Validator(recipe_schema(Catalog(Selection(only=frozenset()))))


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The built-ins and a plugin."""
    file = tmp_path_factory.mktemp("plugin") / "plugin.py"
    file.write_text(PLUGIN)
    builtins = [item for item in discover() if item.name == BUILTIN]
    return Catalog(Selection(), [*builtins, Declaration("imgfw-plugin-x", "0.1", file=file)])


@pytest.fixture(scope="module")
def extended(catalog: Catalog) -> Draft202012Validator:
    """The schema of the built-ins and of a plugin."""
    return Draft202012Validator(recipe_schema(catalog))


def recipe(**parts: Any) -> dict[str, Any]:
    return {"data": "digits", "model": "resnet9"} | parts


def test_it_is_a_schema_of_draft_2020_12(extended: Draft202012Validator) -> None:
    Draft202012Validator.check_schema(extended.schema)
    assert extended.schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("file", EXAMPLES, ids=[file.name for file in EXAMPLES])
def test_every_shipped_recipe_is_valid(plain: Draft202012Validator, file: Path) -> None:
    assert list(plain.iter_errors(json.loads(file.read_text()))) == []


@pytest.mark.parametrize("file", EXAMPLES, ids=[file.name for file in EXAMPLES])
def test_every_shipped_recipe_is_valid_in_its_resolved_form(plain: Draft202012Validator, file: Path) -> None:
    resolved = check(read_recipe(file), Catalog(Selection(only=frozenset()))).recipe
    assert list(plain.iter_errors(resolved.to_json())) == []


@pytest.mark.parametrize(
    "parts",
    [
        {"model": {"type": "tiny", "depth": 3, "stem": {"width": 4}, "weights": "w.pth", "size": [1, 2]}},
        {"model": {"type": "imgfw-plugin-x/tiny", "freeze": ["a.*"]}},
        {"model": "tiny"},
        {"model": "imgfw-plugin-x/resnet50"},
        {"model": {"type": "tiny", "stem": {"inner": {"type": "resnet50", "pretrained": True}}}},
        {"model": {"type": "odd", "thing": 3}},
        {"loss": {"type": "clamped", "of": {"type": "clamped", "of": "cross_entropy"}}},
        {"loss": {"type": "weighted_sum", "terms": [{"type": "focal", "gamma": 1}, "cross_entropy"]}},
        {"optimizer": {"lr": 0.1, "decay_norm_and_bias": False}},
        {"scheduler": {"warmup_steps": 3}},
        {"$schema": "./imgfw.schema.json", "task": None, "loss": None, "metrics": None},
        {"plugins": ["./mine.py"], "model": {"type": "mine", "any": 3}, "callbacks": ["thing"]},
    ],
    ids=str,
)
def test_what_may_be_written_is_valid(extended: Draft202012Validator, parts: dict[str, Any]) -> None:
    assert list(extended.iter_errors(recipe(**parts))) == []


@pytest.mark.parametrize(
    "parts",
    [
        {"model": {"type": "tiny", "dept": 3}},
        {"model": {"type": "imgfw-plugin-x/tiny", "depth": 0}},
        {"model": {"type": "tiny", "kind": "c"}},
        {"model": {"type": "tiny", "size": [1, 2, 3]}},
        {"model": {"type": "tiny", "stem": {"widht": 4}}},
        {"model": {"type": "tiny", "stem": {"inner": "resnet5O"}}},
        {"model": {"type": "resnet50", "freeze": 3}},
        {"model": "tinny"},
        {"model": {"depth": 3}},
        {"model": "cross_entropy"},
        {"loss": "clamped"},
        {"loss": {"type": "clamped", "of": {"type": "cross_entropy", "label_smothing": 0.1}}},
        {"loss": {"type": "weighted_sum", "terms": ["cross_entrpy"]}},
        {"optimizer": {"lr": -1}},
        {"optimizer": {"lrr": 1}},
        {"scheduler": {"type": "cosine", "warmup_epoch": 1}},
        {"transforms": {"train": ["normalise"]}},
        {"train": {"epochs": 0}},
        {"traim": {}},
        {"plugins": ["imgfw-plugin-x"], "model": "mine"},
        {"plugins": ["./mine.py"], "model": {"type": "tiny", "dept": 3}},
    ],
    ids=str,
)
def test_what_may_not_be_written_is_not_valid(extended: Draft202012Validator, parts: dict[str, Any]) -> None:
    assert not extended.is_valid(recipe(**parts))


def test_a_recipe_needs_data_and_a_model(plain: Draft202012Validator) -> None:
    assert not plain.is_valid({"data": "digits"})
    assert not plain.is_valid({"model": "resnet9"})


def test_settings_are_described_by_their_docstring_and_have_their_defaults(
    extended: Draft202012Validator,
) -> None:
    tiny = extended.schema["$defs"]["models.imgfw-plugin-x.tiny"]
    assert tiny["description"] == "A tiny net."
    assert tiny["properties"]["depth"] == {
        "type": "integer",
        "exclusiveMinimum": 0,
        "default": 2,
        "description": "how many layers there are, at least one.",
    }
    assert tiny["$defs"]["Stem"]["properties"]["width"]["default"] == 8


def test_a_bare_name_stands_for_the_component_that_it_means(extended: Draft202012Validator) -> None:
    definitions = extended.schema["$defs"]
    assert definitions["models.imgfw.resnet50"]["properties"]["type"]["enum"] == [
        "resnet50",
        "imgfw/resnet50",
    ]
    assert definitions["models.imgfw-plugin-x.resnet50"]["properties"]["type"]["enum"] == [
        "imgfw-plugin-x/resnet50"
    ]
    assert not extended.is_valid(recipe(model={"type": "tiny", "freeze": 1}))


def test_every_component_has_a_definition(extended: Draft202012Validator, catalog: Catalog) -> None:
    keys = {f"{kind}.{item.plugin}.{item.name}" for kind in KINDS for item in catalog.providers(kind)}
    assert keys - set(extended.schema["$defs"]) == set()


def test_a_plugin_file_with_an_odd_name_can_be_referred_to(tmp_path: Path) -> None:
    file = tmp_path / "my 50% model~1.py"
    file.write_text(PLUGIN)
    catalog = Catalog(Selection(only=frozenset(), files=(file,)))
    validator = Draft202012Validator(recipe_schema(catalog))
    assert validator.is_valid(recipe(model={"type": "tiny", "stem": {"width": 4}}))
    assert not validator.is_valid(recipe(model={"type": "tiny", "stem": {"widht": 4}}))


def test_a_broken_plugin_hides_nothing(site) -> None:
    site.install("imgfw-plugin-bad", "raise ValueError")
    assert Draft202012Validator(recipe_schema(site.catalog_beside_builtins())).is_valid(recipe())


def test_it_is_made_without_torch() -> None:
    code = (
        "import sys\n"
        "from imgfw.catalog.catalog import Catalog\n"
        "from imgfw.catalog.selection import Selection\n"
        "from imgfw.recipe.json_schema import recipe_schema\n"
        "assert recipe_schema(Catalog(Selection(only=frozenset())))\n"
        "print('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
