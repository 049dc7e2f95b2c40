"""The reference of the built-in components: a page for each kind."""

from __future__ import annotations

import json
from typing import Any

from imgfw.catalog.catalog import Catalog
from imgfw.catalog.docstrings import parse_docstring
from imgfw.catalog.selection import Selection
from imgfw.cli.describe import description_of
from imgfw.cli.settings_text import SettingText, describe_settings
from imgfw.contract.kinds import KINDS, Kind
from imgfw.recipe.schema import CORE_SETTINGS

from generator import markdown
from generator.markdown import code

_FACTS = {
    "tasks": "for the tasks",
    "min_size": "smallest height and width of an image",
    "normalizes_input": "normalises images itself",
    "computes_losses": "computes its losses itself",
    "auxiliary": "weights of auxiliary outputs in the loss",
    "head": 'its head, which `"freeze": "backbone"` leaves trainable',
    "sums_own_losses": "sums what a model that computes its losses returns",
    "couples_batch": "depends on the whole batch at once, so it cannot be accumulated",
    "wants_metric": "is stepped after each evaluation, with a metric",
    "default_loss": "the loss of a recipe that names none",
    "default_metrics": "the metrics of a recipe that names none",
    "results": "reports",
    "data": "known from the settings alone",
}

_VALUES = (
    "A value is JSON. `path` is a string: a file or folder, relative to the recipe's folder. `[int, int]` is "
    "a list of exactly two, `list of float` one of any length. A component, as `transform` or `loss`, is a "
    'name or an object with `"type"`.'
)


def pages() -> dict[str, str]:
    """The page of each kind, and the index, by path below docs/."""
    catalog = Catalog(Selection(only=frozenset()))
    described = {
        name: [description_of(provider, catalog) for provider in catalog.providers(name)] for name in KINDS
    }
    kinds = {f"reference/{name}.md": _kind_page(KINDS[name], items) for name, items in described.items()}
    return kinds | {"reference/README.md": _index(described)}


def _index(described: dict[str, list[dict[str, Any]]]) -> str:
    rows = [
        (
            f"[{name}]({name}.md)",
            str(len(items)),
            ", ".join(code(item["name"]) for item in items[:8]) + " …" * (len(items) > 8),
        )
        for name, items in described.items()
    ]
    return markdown.page(
        "# Reference",
        "The built-in components, as `imgfw list KIND` and `imgfw describe KIND NAME` show them. An "
        "installed plugin adds to them.",
        markdown.table(("Kind", "Built in", "Names"), rows),
        "Besides: [every key of a recipe](recipe-keys.md), [every public name of Python](python-api.md).",
    )


def _kind_page(kind: Kind, items: list[dict[str, Any]]) -> str:
    rows = [(f"[`{item['name']}`](#{item['name']})", item["description"]) for item in items]
    core = CORE_SETTINGS.get(kind.name)
    common = ""
    if core is not None:
        common = f"## Settings of every {kind.singular}\n\nimgfw reads these itself.\n\n"
        common += settings_table(list(describe_settings(core)), {})
    return markdown.page(
        f"# {kind.name.capitalize()}",
        _VALUES,
        markdown.table(("Name", "Description"), rows),
        common,
        *(_component(item) for item in items),
    )


def _component(item: dict[str, Any]) -> str:
    documented = parse_docstring(item["documentation"])
    settings = [SettingText(**setting) for setting in item["settings"]]
    raises = documented.entries.get("Raises", {})
    parts = [
        f"## {item['name']}",
        documented.summary,
        documented.body,
        markdown.block(json.dumps(item["recipe"], ensure_ascii=False), "json"),
        settings_table(settings, documented.entries.get("Args", {})) or "It has no settings.",
        "\n".join(_facts(item["facts"])),
        "\n".join(f"- Raises `{name}`: {text}" for name, text in raises.items()),
    ]
    return "\n\n".join(part for part in parts if part)


def settings_table(settings: list[SettingText], meanings: dict[str, str]) -> str:
    """The table of settings; what each means from the docstring, or from the setting itself."""
    return markdown.table(
        ("Setting", "Type", "Default", "Meaning"),
        (
            (
                code(item.name),
                ", ".join(filter(None, (code(item.type), item.constraints))),
                "required" if item.required else code(item.default_text),
                meanings.get(item.name, item.description),
            )
            for item in settings
        ),
    )


def _facts(facts: dict[str, Any]) -> list[str]:
    return [f"- {_fact(_FACTS[name], value)}" for name, value in facts.items()]


def _fact(label: str, value: Any) -> str:
    if value is True:
        return label.capitalize() if label.islower() else label[0].upper() + label[1:]
    if isinstance(value, dict):
        value = ", ".join(f"`{key}` ({item})" for key, item in value.items())
    elif isinstance(value, list | tuple):
        value = ", ".join(code(str(item)) for item in value)
    else:
        value = code(str(value))
    return f"{label[0].upper()}{label[1:]}: {value}"
