"""Settings written for a reader: the type, default and constraints of each."""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from imgfw.contract.component import Component, ComponentSpec
from imgfw.contract.constraints import MonitorName
from imgfw.contract.kinds import KINDS

_NAMES = {
    type(None): "null",
    Path: "path",
    Any: "any",
    dict: "object",
    list: "list",
    tuple: "list",
    ComponentSpec: "component",
}


@dataclass(frozen=True)
class SettingText:
    """One setting for a reader.

    Attributes:
        name: its name; within a setting with structure, as `outer.inner`.
        type: what may stand there, as `int | "auto"`.
        default: the default as JSON data.
        required: whether it has no default.
        constraints: as `> 0`.
        description: of the core's own settings; those of providers are described in the docstring.
    """

    name: str
    type: str
    default: Any
    required: bool
    constraints: str
    description: str

    def as_data(self) -> dict[str, Any]:
        """The same as JSON data."""
        return asdict(self)

    @property
    def default_text(self) -> str:
        """The default as it would stand in a recipe."""
        return "required" if self.required else json.dumps(self.default, ensure_ascii=False)


def describe_settings(schema: type[BaseModel], prefix: str = "") -> Iterator[SettingText]:
    """Describe every setting of a schema, those within settings too."""
    for name, field in schema.model_fields.items():
        yield _describe(f"{prefix}{name}", field)
        for inner in _structures(field.annotation):
            yield from describe_settings(inner, f"{prefix}{name}.")


def _describe(name: str, field: FieldInfo) -> SettingText:
    constraints = [*_constraints(field.metadata), *_inner_constraints(field.annotation)]
    return SettingText(
        name,
        type_text(field.annotation),
        None if field.is_required() else _plain(field.get_default(call_default_factory=True)),
        field.is_required(),
        ", ".join(dict.fromkeys(constraints)),
        field.description or "",
    )


def _plain(value: Any) -> Any:
    """A default as JSON data."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return json.loads(json.dumps(value, default=str))


def type_text(annotation: Any) -> str:
    """Write what may stand for a setting, in the words of a recipe."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return type_text(arguments[0])
    if origin is typing.Literal:
        return " | ".join(json.dumps(value) for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(type_text(item) for item in arguments)
    if inspect.isclass(origin):
        return _collection_text(origin, arguments)
    if inspect.isclass(annotation) and issubclass(annotation, Component):
        return KINDS[annotation.kind].singular
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return "object"
    return str(_NAMES.get(annotation) or getattr(annotation, "__name__", annotation))


def _collection_text(origin: type, arguments: tuple[Any, ...]) -> str:
    if issubclass(origin, tuple) and Ellipsis not in arguments:
        return f"[{', '.join(type_text(item) for item in arguments)}]"
    if hasattr(origin, "keys"):
        return f"object of {type_text(arguments[-1])}"
    return f"list of {type_text(arguments[0])}"


def _structures(annotation: Any) -> Iterator[type[BaseModel]]:
    """The settings with structure of their own within an annotation."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _structures(argument)


def _inner_constraints(annotation: Any) -> Iterator[str]:
    """The constraints within an annotation: on a branch of a union, or on each item of a list."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return
    if origin is typing.Annotated:
        yield from _constraints(arguments[1:])
        arguments = arguments[:1]
    each = "each " if inspect.isclass(origin) and origin is not types.UnionType else ""
    for argument in arguments:
        for text in _inner_constraints(argument):
            yield text if text.startswith("each ") else f"{each}{text}"


def _constraints(metadata: typing.Iterable[Any]) -> Iterator[str]:
    signs = (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<="), ("multiple_of", "multiple of"))
    for item in metadata:
        if isinstance(item, MonitorName) or item is MonitorName:
            yield 'something measured, as "val/accuracy"'
        for attribute, sign in signs:
            bound = getattr(item, attribute, None)
            if bound is not None:
                yield f"{sign} {bound}"
        yield from _length(getattr(item, "min_length", None), getattr(item, "max_length", None))
        if getattr(item, "pattern", None):
            yield f"like {item.pattern}"


def _length(least: int | None, most: int | None) -> Iterator[str]:
    if least and least == most:
        yield f"{least} items"
        return
    if least:
        yield f"at least {least} items"
    if most is not None:
        yield f"at most {most} items"
