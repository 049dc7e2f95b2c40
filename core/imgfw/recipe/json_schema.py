"""The JSON Schema of recipes, made from the plugins that may be used: editors complete and underline by it.

A component is a name or an object with `type`; each kind has a definition that lists them all, and each
provider one of its settings. The names of plugin files that a recipe lists are not known here, so a recipe
that lists one may also use names that no plugin has.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from imgfw.catalog.docstrings import parse_docstring
from imgfw.contract.component import KIND_KEYWORD
from imgfw.contract.kinds import KINDS, Kind
from imgfw.recipe.schema import CORE_SETTINGS, DEFAULT_TYPES, Recipe

if TYPE_CHECKING:
    from imgfw.catalog.catalog import Catalog
    from imgfw.catalog.provider import Provider

Schema = dict[str, Any]

TITLE = "imgfw recipe"
"""The title by which a schema file is known to be one of these."""

_LISTS_A_FILE: Schema = {
    "properties": {"plugins": {"contains": {"type": "string", "pattern": r"[/\\]|\.py$"}}},
    "required": ["plugins"],
}


class _Generator(GenerateJsonSchema):
    """Pydantic's schemas without a title for each setting, and without a word about odd defaults."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def emit_warning(self, kind: Any, detail: str) -> None:
        """A default that is no JSON is left out, which harms nobody."""


def recipe_schema(catalog: Catalog) -> Schema:
    """Make the JSON Schema (2020-12) of the recipes that the plugins of a catalog can run."""
    whole = _schema_of(Recipe, "")
    sections = whole.pop("$defs")
    places = {name: part for name, part in whole["properties"].items() if _holds_component(part, sections)}
    plain = {name: part for name, part in whole["properties"].items() if name not in places}
    transforms = sections.pop("TransformSection")
    definitions = sections | {key: value for kind in KINDS.values() for key, value in _kind(kind, catalog)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": TITLE,
        "description": "A recipe of imgfw, version 1, with the components of the plugins that are installed.",
        "type": "object",
        "properties": {name: plain.get(name, {}) for name in whole["properties"]},
        "required": whole["required"],
        "additionalProperties": False,
        "if": _LISTS_A_FILE,
        "then": {"properties": _filled(places | {"transforms": transforms}, ".any", top=True)},
        "else": {"properties": _filled(places | {"transforms": transforms}, "", top=True)},
        "$defs": definitions,
    }


def _schema_of(model: type[BaseModel], home: str) -> Schema:
    """The schema of a model, whose own definitions will stand at a place."""
    template = f"#{home}/$defs/{{model}}"
    schema = model.model_json_schema(ref_template=template, schema_generator=_Generator)
    schema.pop("title")
    for part in (schema, *schema.get("$defs", {}).values()):
        for value in part.get("properties", {}).values():
            if "$ref" in value:
                value.pop("default", None)  # it repeats the defaults of what is referred to
    return schema


def _holds_component(part: Schema, sections: Mapping[str, Schema]) -> bool:
    return part.get("$ref") == "#/$defs/TransformSection" or KIND_KEYWORD in str(part)


def _filled(part: Any, suffix: str, top: bool = False) -> Any:
    """Say at each place of a component what may stand there.

    Args:
        part: a schema, or what is within one.
        suffix: of the definitions to refer to: `.any` where names may be unknown.
        top: whether the places are those of the recipe itself, where a default may go without its `type`.
    """
    if isinstance(part, list):
        return [_filled(item, suffix, top) for item in part]
    if not isinstance(part, dict):
        return part
    if KIND_KEYWORD not in part:
        return {key: _filled(item, suffix, top) for key, item in part.items()}
    kind = part[KIND_KEYWORD]
    rest = {key: value for key, value in part.items() if key != KIND_KEYWORD}
    meant: Schema = {"$ref": f"#/$defs/{kind}{suffix}"}
    if top and kind in DEFAULT_TYPES:
        rest["default"] = DEFAULT_TYPES[kind]
        return rest | {"anyOf": [meant, {"$ref": f"#/$defs/{kind}.default"}]}
    return rest | meant


def _kind(kind: Kind, catalog: Catalog) -> Iterable[tuple[str, Schema]]:
    """The definitions of a kind, by key: its core settings, each provider, all of them, and anything."""
    core = _core_properties(kind)
    for name, schema in core.items():
        yield f"{kind.name}.{name}", schema
    bare: list[Schema] = []
    objects: list[Schema] = []
    names: list[str] = []
    for provider in catalog.providers(kind.name):
        key = f"{kind.name}.{provider.plugin}.{provider.name}"
        schema = _provider(provider, catalog.names_of(provider), key, core)
        yield key, schema
        if kind.name in DEFAULT_TYPES and provider is catalog.find(kind.name, DEFAULT_TYPES[kind.name]):
            yield f"{kind.name}.default", _without_type(schema)
        objects.append({"$ref": f"#{_pointer(key)}"})
        names += schema["properties"]["type"]["enum"]
        if schema["required"] == ["type"]:
            bare.append({"enum": schema["properties"]["type"]["enum"], "description": provider.description})
    yield kind.name, {"anyOf": [*bare, *objects]}
    yield f"{kind.name}.any", _any_of(kind, names)


def _core_properties(kind: Kind) -> Mapping[str, Schema]:
    core = CORE_SETTINGS.get(kind.name)
    return _schema_of(core, "")["properties"] if core is not None else {}


def _provider(provider: Provider, names: list[str], key: str, core: Mapping[str, Schema]) -> Schema:
    documented = parse_docstring(inspect.getdoc(provider.factory) or "")
    own = _settings(provider, key)
    for name, schema in own["properties"].items():
        meaning = documented.entries.get("Args", {}).get(name)
        if meaning:
            schema["description"] = meaning
    kind = provider.kind
    named: Schema = {"enum": names, "description": f"the name of the {kind.singular}"}
    shared = {name: {"$ref": f"#{_pointer(f'{kind.name}.{name}')}"} for name in core}
    inner = {"$defs": own["$defs"]} if "$defs" in own else {}
    return {
        "description": provider.description,
        "type": "object",
        "properties": {"type": named, **own["properties"], **shared},
        "required": ["type", *own.get("required", [])],
        "additionalProperties": own["additionalProperties"],
        **inner,
    }


def _settings(provider: Provider, key: str) -> Schema:
    """The schema of a provider's own settings; anything goes where its author's types have none."""
    try:
        schema = _schema_of(provider.settings_model, _pointer(key))
    except Exception:  # a type of another author's may fail in any way; imgfw describe shows it
        return {"properties": {}, "additionalProperties": True}
    filled: Schema = _filled(schema, "")
    return {"properties": {}} | filled


def _pointer(key: str) -> str:
    """The way to a definition, as the part of a reference after `#`."""
    return f"/$defs/{quote(key.replace('~', '~0').replace('/', '~1'), safe='~')}"


def _without_type(schema: Schema) -> Schema:
    properties = {name: part for name, part in schema["properties"].items() if name != "type"}
    required = [name for name in schema["required"] if name != "type"]
    return schema | {"properties": properties, "required": required}


def _any_of(kind: Kind, names: list[str]) -> Schema:
    """A component of a kind, or one whose name no plugin has: a plugin file may."""
    unknown: Schema = {"type": "string", "not": {"enum": names}}
    described: Schema = {"type": "object", "properties": {"type": unknown}, "required": ["type"]}
    return {"anyOf": [{"$ref": f"#/$defs/{kind.name}"}, unknown, described]}
