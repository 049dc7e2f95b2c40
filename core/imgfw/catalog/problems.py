"""From pydantic's errors to problems that the author of a recipe understands."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterable, Iterator, Mapping
from inspect import isclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from imgfw.catalog.suggest import did_you_mean
from imgfw.contract.errors import Problem
from imgfw.contract.wording import whole_or_short

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

MAX_PROBLEMS = 100
"""How many are shown at once: a recipe of a stranger may have a hundred thousand."""

_TYPES = {
    "bool_type": "true or false",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "a string",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "greater_than": "greater than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
}
"""What each error of pydantic says that the value should be, with the error's context."""


def problems_of(
    error: ValidationError,
    value: Any,
    path: str,
    schema: type[BaseModel],
    reserved: Iterable[str] = (),
    provider: str = "",
    hint: str = "",
) -> list[Problem]:
    """Turn pydantic's errors into problems, one a place, with the branches of a union put together.

    Of a recipe that is wrong in very many places only the first `MAX_PROBLEMS` errors are looked at.

    Args:
        error: what pydantic raised.
        value: the data that was validated.
        path: where that data stands in the recipe.
        schema: what it was validated against, to suggest keys from.
        reserved: more keys that may stand at its top.
        provider: the component concerned, if any.
        hint: what helps whoever left something out.
    """
    grouped: dict[str, list[ErrorDetails]] = {}
    for item in error.errors(include_url=False)[:MAX_PROBLEMS]:
        grouped.setdefault(join_path(path, _real_location(item, value)), []).append(item)
    problems = []
    for where, items in grouped.items():
        if any(other.startswith((f"{where}.", f"{where}[")) for other in grouped):
            continue  # the other branches of a union; the one that went deeper was meant
        known = [*_keys_at(schema, items[0]["loc"][:-1]), *(reserved if len(items[0]["loc"]) == 1 else ())]
        problems.append(_problem(where, items, known, provider, hint))
    return problems


def _problem(where: str, items: list[ErrorDetails], known: list[str], provider: str, hint: str) -> Problem:
    first = items[0]
    if first["type"] == "extra_forbidden":
        names = sorted(known)
        close = did_you_mean(str(first["loc"][-1]), names)
        listed = f"Known: {', '.join(names)}." if names else "There are none."
        return Problem(where, "unknown setting.", close or listed, provider)
    if first["type"] == "missing" and isinstance(first["loc"][-1], str):
        return Problem(where, "is required.", hint, provider)
    wordings = list(dict.fromkeys(_wording(item) for item in items))
    value = _shown(next(item["input"] for item in items))
    return Problem(where, f"{_joined(wordings)}, not {value}.", "", provider)


def _wording(item: ErrorDetails) -> str:
    context: dict[str, Any] = item.get("ctx", {})
    if item["type"] == "missing":
        return "should be a longer list"
    if item["type"] == "literal_error":
        return f"should be {context['expected']}".replace("'", '"')
    if item["type"] in _TYPES:
        limits = {key: whole_or_short(context[key]) for key in ("gt", "ge", "lt", "le") if key in context}
        return f"should be {_TYPES[item['type']].format(**context | limits)}"
    message = item["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return message[:1].lower() + message[1:]


def _joined(wordings: list[str]) -> str:
    """Put the wordings of a union's branches together: `should be an integer, a number or "auto"`."""
    if not all(wording.startswith("should be ") for wording in wordings):
        return " or ".join(wordings)
    *some, last = [wording.removeprefix("should be ") for wording in wordings]
    return f"should be {', '.join(some)} or {last}" if some else f"should be {last}"


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _real_location(item: ErrorDetails, value: Any) -> list[str | int]:
    """Drop the union branches from a location: keep the steps that lead somewhere in the value."""
    steps: list[str | int] = []
    for step in item["loc"]:
        inside_list = isinstance(value, list) and isinstance(step, int) and step < len(value)
        if inside_list or (isinstance(value, Mapping) and step in value):
            value = value[step]
            steps.append(step)
    if item["type"] == "missing" and isinstance(value, Mapping):
        steps.append(item["loc"][-1])
    return steps


def _keys_at(schema: type[BaseModel], location: Iterable[str | int]) -> list[str]:
    """The keys that an object may have at a location; steps that are no field name are passed over."""
    schemas = [schema]
    for step in location:
        fields = [owner.model_fields[step] for owner in schemas if step in owner.model_fields]
        if fields:
            schemas = [inner for field in fields for inner in _schemas_in(field.annotation)]
    return [field.alias or name for owner in schemas for name, field in owner.model_fields.items()]


def _schemas_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _schemas_in(argument)


def join_path(base: str, steps: Iterable[str | int]) -> str:
    """Write a path as `loss.terms[0].smooth`."""
    for step in steps:
        if isinstance(step, int):
            base += f"[{step}]"
        else:
            base = f"{base}.{step}" if base else step
    return base
