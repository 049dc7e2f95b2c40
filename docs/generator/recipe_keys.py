"""The page of every key that a recipe may hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from imgfw.cli.settings_text import describe_settings, type_text
from imgfw.contract.component import ComponentSpec
from imgfw.recipe.schema import SECTIONS, Recipe
from pydantic.fields import FieldInfo

from generator import markdown
from generator.components import settings_table
from generator.markdown import code


def page() -> str:
    """The top of a recipe, then each of its sections."""
    sections = [
        f"## {name}\n\n{(schema.__doc__ or '').strip()}\n\n{settings_table(_settings(schema), {})}"
        for name, schema in SECTIONS.items()
    ]
    return markdown.page(
        "# Every key of a recipe",
        "What they mean together is told in [recipes](../recipes.md). A *component* is a name, or an object "
        'with `"type"` and its settings; see the [reference](README.md) for each kind.',
        "## Top of the recipe",
        markdown.table(("Key", "Type", "Default", "Meaning"), _top()),
        *sections,
    )


def _settings(schema: Any) -> list[Any]:
    return list(describe_settings(schema))


def _top() -> Iterator[tuple[str, str, str, str]]:
    for name, field in Recipe.model_fields.items():
        if name in SECTIONS:
            yield code(name), "object", "", f"see [below](#{name})"
            continue
        yield (
            code(field.alias or name),
            code(type_text(field.annotation)),
            _default(field),
            field.description or "",
        )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return code(json.dumps(value.type if isinstance(value, ComponentSpec) else value))
