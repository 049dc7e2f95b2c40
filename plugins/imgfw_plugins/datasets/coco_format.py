"""COCO's JSON format: reading a file of annotations, and saying what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from imgfw import DataError

Entry = dict[str, Any]

_NAMED = 10
"""Problems of a file that a message names."""


def read_coco(file: Path) -> dict[str, list[Entry]]:
    """The `images`, `annotations` and `categories` of a file, which have all that this package asks for.

    Raises:
        DataError: the file is missing, no JSON, or not in COCO's format; names the entries and what is wrong.
    """
    content = _read_json(file)
    problems = list(islice(_problems(content), _NAMED + 1))
    if problems:
        more = "; and more" if len(problems) > _NAMED else ""
        raise DataError(
            f"{file} is not in COCO's format: {'; '.join(problems[:_NAMED])}{more}.",
            "The format is described at https://cocodataset.org/#format-data",
        )
    return {key: content[key] for key in _FIELDS}


def shown(value: Any) -> str:
    """A value of the file as it stands there, in short."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as JSON ({error}).") from error


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_side(value: Any) -> bool:
    return _is_number(value) and value > 0 and value % 1 == 0


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(_is_number, value))


_Check = tuple[Callable[[Any], bool], str]

_ID: _Check = (_is_id, "an integer or a string")
_NAME: _Check = (_is_name, "a string")
_SIDE: _Check = (_is_side, "a number of pixels")

_FIELDS: Mapping[str, Mapping[str, _Check]] = {
    "images": {"id": _ID, "file_name": _NAME, "width": _SIDE, "height": _SIDE},
    "categories": {"id": _ID, "name": _NAME},
    "annotations": {"image_id": _ID, "category_id": _ID, "bbox": (_is_box, "four numbers")},
}
"""What each entry of the lists must have."""

_OF_CROWDS = {"image_id": _ID}
"""The same for annotations of crowds, which are left out."""


def _problems(content: Any) -> Iterator[str]:
    """What is wrong with a file's content."""
    if not isinstance(content, dict):
        yield f"it holds {_kind(content)}, not an object with images, annotations and categories"
        return
    lists = [key for key in _FIELDS if isinstance(content.get(key), list)]
    for key in _FIELDS:
        if key not in content:
            yield f'it has no "{key}"'
        elif key not in lists:
            yield f'its "{key}" is {_kind(content[key])}, not a list'
    for key in lists:
        yield from _problems_of_list(key, content[key])


def _problems_of_list(key: str, entries: Sequence[Any]) -> Iterator[str]:
    ids: dict[Any, int] = {}
    for position, entry in enumerate(entries):
        if wrong := _wrong(entry, key):
            yield f"{key}[{position}]{_named(entry)} {wrong}"
        elif key != "annotations" and (first := ids.setdefault(entry["id"], position)) != position:
            yield f"{key}[{position}] has the id {shown(entry['id'])}, as {key}[{first}] has"
    if key == "categories" and len({type(number) for number in ids}) > 1:
        yield "the ids of its categories are integers and strings, which have no order"


def _wrong(entry: Any, key: str) -> str:
    """What is wrong with an entry of a list; empty: nothing."""
    if not isinstance(entry, dict):
        return f"is {_kind(entry)}, not an object"
    for name, (fits, wording) in (_OF_CROWDS if entry.get("iscrowd") else _FIELDS[key]).items():
        if name not in entry:
            return f'has no "{name}"'
        if not fits(entry[name]):
            return f'has "{name}": {shown(entry[name])}, which should be {wording}'
    return ""


def _named(entry: Any) -> str:
    return f" (id {shown(entry['id'])})" if isinstance(entry, dict) and "id" in entry else ""


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
