"""A provider's settings are derived from its signature, and validated strictly as JSON."""

from __future__ import annotations

from typing import Any

import pytest
from imgfw import PluginError
from imgfw.catalog.provider import make_provider


def provider(code: str, name: str = "net", kind: str = "models") -> Any:
    """Make a provider of what a module defines under a name."""
    namespace: dict[str, Any] = {}
    exec(f"from __future__ import annotations\nfrom imgfw import *\n{code}", namespace)
    return make_provider(kind, namespace[name], "tests")


def test_settings_that_are_left_out_get_their_defaults() -> None:
    settings, problems = provider("def net(info, *, width: int = 3, name: str | None = None): ...").validate(
        {}, "model"
    )
    assert problems == []
    assert (settings.width, settings.name) == (3, None)


def test_annotations_need_not_be_importable_for_what_imgfw_gives() -> None:
    found = provider("def net(info: Nowhere, *, width: int = 3) -> Neither: ...")
    assert found.validate({"width": 4}, "model")[0].width == 4


def test_a_setting_may_have_any_name_but_those_kept() -> None:
    found = provider("def net(info, *, schema: int = 1, copy: int = 2, json: int = 4): ...")
    settings, problems = found.validate({"schema": 5}, "model")
    assert problems == []
    assert (settings.schema, settings.json) == (5, 4)


def test_an_annotation_that_is_nowhere_is_an_error_of_the_plugin_before_it_is_used() -> None:
    with pytest.raises(PluginError, match=r"whose type cannot be found: NameError: name 'Nowhere'"):
        provider("def net(info, *, width: Nowhere = 3): ...")


def test_an_annotation_that_means_nothing_to_json_is_an_error_of_the_plugin() -> None:
    found = provider("class Odd: ...\ndef net(info, *, width: Odd = None): ...")
    with pytest.raises(PluginError, match=r"The settings of model tests/net have no schema: Unable to gen"):
        found.validate({}, "model")


def test_settings_of_a_class_are_those_of_its_init() -> None:
    found = provider("class Net:\n    def __init__(self, info, *, width: int = 3): ...", "Net")
    assert (found.name, found.asks_for, found.setting_names) == ("net", ("info",), ("width",))


def test_a_class_without_init_has_no_settings() -> None:
    assert provider("class Net(Callback): 'A callback.'", "Net", "callbacks").setting_names == ()


def test_a_wrapped_function_keeps_its_own_signature() -> None:
    code = """
import functools
def plain(f):
    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        return f(*args, **kwargs)
    return wrapper

@plain
def net(info, *, width: int = 3): ...
"""
    assert provider(code).setting_names == ("width",)


def test_components_are_settings() -> None:
    found = provider("def net(info, *, teacher: Model, others: list[Loss] = []): ...")
    settings, problems = found.validate({"teacher": {"type": "a", "k": 1}, "others": ["b"]}, "model")
    assert problems == []
    assert (settings.teacher.type, settings.teacher.settings) == ("a", {"k": 1})
    assert settings.others[0].kind == "losses"


@pytest.mark.parametrize("text", ["1e999", "-1e999", "NaN"])
def test_numbers_are_finite(text: str) -> None:
    found = provider("def net(info, *, rate: float = 3): ...")
    _, [problem] = found.validate({"rate": float(text.replace("1e999", "inf"))}, "model")
    assert problem.path == "model.rate"
    assert problem.message.startswith("should be a finite number")
