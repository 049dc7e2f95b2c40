"""A component in a recipe is a bare name, or an object with `type` and settings."""

from __future__ import annotations

import imgfw
import pytest
from imgfw.contract.component import ComponentSpec
from pydantic import TypeAdapter, ValidationError


def test_a_bare_name_is_a_component_without_settings() -> None:
    assert ComponentSpec.parse("losses", "dice") == ComponentSpec("losses", "dice", {})


def test_an_object_holds_the_name_and_flat_settings() -> None:
    spec = ComponentSpec.parse("losses", {"type": "dice", "smooth": 2})
    assert spec == ComponentSpec("losses", "dice", {"smooth": 2})


@pytest.mark.parametrize("value", [5, None, ["dice"], {}, {"smooth": 2}, {"type": 3}])
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="a name, or an object"):
        ComponentSpec.parse("losses", value)


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (imgfw.Loss, "losses"),
        (imgfw.Model, "models"),
        (imgfw.Metric, "metrics"),
        (imgfw.Optimizer, "optimizers"),
        (imgfw.Scheduler, "schedulers"),
        (imgfw.Dataset, "datasets"),
        (imgfw.Transform, "transforms"),
        (imgfw.Callback, "callbacks"),
        (imgfw.Task, "tasks"),
    ],
)
def test_every_kind_can_be_a_setting(annotation: type, kind: str) -> None:
    assert TypeAdapter(annotation).validate_json('"x"') == ComponentSpec(kind, "x")


def test_components_may_stand_in_lists() -> None:
    specs = TypeAdapter(list[imgfw.Loss]).validate_json('["a", {"type": "b", "k": 1}]')
    assert [spec.type for spec in specs] == ["a", "b"]


def test_settings_with_structure_refuse_unknown_keys_and_other_types() -> None:
    class Schedule(imgfw.Settings):
        at: int

    assert Schedule.model_validate_json('{"at": 3}').at == 3
    with pytest.raises(ValidationError, match="Extra inputs"):
        Schedule.model_validate_json('{"at": 3, "too": 1}')
    with pytest.raises(ValidationError, match="valid integer"):
        Schedule.model_validate_json('{"at": "3"}')
