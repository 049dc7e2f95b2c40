"""`imgfw describe KIND NAME`: all that is known of one component."""

from __future__ import annotations

import inspect
import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import click

from imgfw.cli.invocation import Invocation
from imgfw.cli.kinds import find_kind, name_in_recipe
from imgfw.cli.options import json_option, kind_argument
from imgfw.cli.output import print_json, print_table, say

if TYPE_CHECKING:
    from imgfw.catalog.catalog import Catalog
    from imgfw.catalog.provider import Provider
    from imgfw.cli.settings_text import SettingText

_PLACES = {
    "datasets": ("data",),
    "transforms": ("transforms", "train"),
    "metrics": ("metrics",),
    "callbacks": ("callbacks",),
}
"""Where a component stands in a recipe, unless under the singular of its kind."""

_IN_LISTS = ("transforms", "metrics", "callbacks")


@click.command()
@kind_argument
@click.argument("name")
@json_option
@click.pass_obj
def describe(invocation: Invocation, kind: str, name: str, as_json: bool) -> None:
    """Describe the component NAME of a KIND. What it does, its settings, and how a recipe names it."""
    description = description_of(invocation.catalog.find(find_kind(kind).name, name), invocation.catalog)
    if as_json:
        print_json(description)
    else:
        _print(description)


def description_of(provider: Provider, catalog: Catalog) -> dict[str, Any]:
    """All that is known of a component, as JSON data."""
    from imgfw.cli.settings_text import describe_settings
    from imgfw.recipe.schema import CORE_SETTINGS

    settings = list(describe_settings(provider.settings_model))
    core = CORE_SETTINGS.get(provider.kind.name)
    versions = {item.name: item.version for item in catalog.declarations}
    return {
        "format": 1,
        "kind": provider.kind.name,
        "name": name_in_recipe(provider, catalog),
        "qualified": provider.qualified,
        "plugin": provider.plugin,
        "version": versions.get(provider.plugin, ""),
        "description": provider.description,
        "documentation": inspect.getdoc(provider.factory) or "",
        "settings": [item.as_data() for item in settings],
        "core_settings": [item.as_data() for item in describe_settings(core)] if core else [],
        "facts": _facts(provider),
        "recipe": _recipe_part(provider, name_in_recipe(provider, catalog), settings),
    }


def _facts(provider: Provider) -> dict[str, Any]:
    """What the provider states about itself, and what that comes to for its example settings."""
    about = provider.about
    stated = {
        field.name: getattr(about, field.name)
        for field in fields(about)
        if field.name not in ("describe", "results", "output_size", "example")
    }
    facts = {name: value for name, value in stated.items() if value and not callable(value)}
    for name in ("default_loss", "default_metrics"):
        if getattr(provider.factory, name, None):
            facts[name] = getattr(provider.factory, name)
    settings, problems = provider.validate(about.example, "")
    if problems:
        return facts
    if callable(about.min_size) and (smallest := about.min_size(settings)) is not None:
        facts["min_size"] = smallest
    if about.results is not None:
        facts["results"] = dict(about.results(settings))
    if about.describe is not None:
        known = asdict(about.describe(settings)).items()
        facts["data"] = {name: value for name, value in known if value is not None}
    return facts


def _recipe_part(provider: Provider, name: str, settings: list[SettingText]) -> dict[str, Any]:
    """The smallest part of a recipe that uses the component."""
    required = {item.name: f"<{item.type}>" for item in settings if item.required and "." not in item.name}
    given = required | dict(provider.about.example)
    value: Any = {"type": name, **given} if given else name
    if provider.kind.name in _IN_LISTS:
        value = [value]
    for key in reversed(_PLACES.get(provider.kind.name, (provider.kind.singular,))):
        value = {key: value}
    return value  # type: ignore[no-any-return]


def _print(description: dict[str, Any]) -> None:
    from imgfw.contract.kinds import KINDS

    singular, version = KINDS[description["kind"]].singular, description["version"]
    owner = f"{description['plugin']} {version}".strip()
    article = "an" if singular[0] in "aeiou" else "a"
    click.echo(f"{click.style(description['name'], bold=True)}, {article} {singular} of {owner}\n")
    say(description["documentation"] or "(Its author wrote no description.)")
    _print_settings("Settings", description["settings"])
    if description["core_settings"]:
        _print_settings(f"Settings of every {singular}", description["core_settings"])
    if description["facts"]:
        _heading("Facts")
        print_table([(name, _fact_text(value)) for name, value in description["facts"].items()], indent=2)
    _heading("In a recipe")
    say(f"  {json.dumps(description['recipe'], ensure_ascii=False)[1:-1]}")


def _heading(text: str) -> None:
    click.echo(f"\n{click.style(text, bold=True)}")


def _print_settings(title: str, settings: list[dict[str, Any]]) -> None:
    from imgfw.cli.settings_text import SettingText

    _heading(title)
    rows = [
        (
            item.name,
            item.type,
            item.default_text,
            ", ".join(filter(None, (item.constraints, item.description))),
        )
        for item in (SettingText(**setting) for setting in settings)
    ]
    if rows:
        print_table(rows, indent=2)
    else:
        click.echo("  none")


def _fact_text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "yes" if value is True else str(value)
