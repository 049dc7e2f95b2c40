"""From a component as a recipe names it to its provider and its validated settings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from imgfw.catalog.catalog import NoSuchComponentError
from imgfw.catalog.problems import MAX_PROBLEMS, join_path, problems_of
from imgfw.catalog.provider import Provider
from imgfw.contract.component import ComponentSpec
from imgfw.contract.errors import PluginError, Problem, RecipeError
from imgfw.contract.kinds import KINDS
from imgfw.recipe.nodes import Node
from imgfw.recipe.schema import CORE_SETTINGS, Section

if TYPE_CHECKING:
    from imgfw.catalog.catalog import Catalog
    from imgfw.recipe.reading import Source

UNKNOWN = "?"
"""The name of what stands in for a component that is wrong."""

MAX_COMPONENTS = 1000
"""In a recipe, those within settings among them."""


class Finder:
    """Resolves components and collects what is wrong with them."""

    def __init__(
        self, source: Source, catalog: Catalog, problems: list[Problem], listed: Sequence[str]
    ) -> None:
        self._source = source
        self._catalog = catalog
        self._listed = listed
        self._plugin_versions = {item.name: item.version for item in catalog.declarations}
        self._count = 0
        self._bare: dict[str, tuple[str, Provider]] = {}
        self.problems = problems
        self.versions: dict[str, str] = {}

    def notes(self) -> list[Problem]:
        """The names that could also have meant a component of another plugin, each once."""
        return [
            Problem(path, f'"{provider.name}" means {provider.qualified}, not {rival.qualified}.')
            for path, provider in self._bare.values()
            for rival in self._catalog.rivals(provider)
        ]

    def default(self, kind: str, name: str, owner: Node) -> ComponentSpec:
        """A component that another one names as its default."""
        return ComponentSpec(kind, self._catalog.name_near(kind, name, owner.provider.plugin))

    def nodes(self, specs: Sequence[ComponentSpec], path: str) -> list[Node]:
        """Resolve a list of components."""
        return [self.node(spec, join_path(path, [number])) for number, spec in enumerate(specs)]

    def node(self, spec: ComponentSpec, path: str) -> Node:
        """Resolve one component and those within it."""
        self._count += 1
        if self._count > MAX_COMPONENTS or len(self.problems) > MAX_PROBLEMS:
            raise RecipeError([*self.problems[:MAX_PROBLEMS], self._too_much(path)], self._source.label)
        if spec.type == UNKNOWN:
            return self.stand_in(spec.kind, path)
        try:
            provider = self._catalog.find(spec.kind, spec.type, self._listed)
        except NoSuchComponentError as error:
            self.problems.append(Problem(path, error.message, error.hint))
            return self.stand_in(spec.kind, path)
        if "/" not in spec.type:
            self._bare.setdefault(f"{spec.kind} {provider.name}", (path, provider))
        self.versions[provider.plugin] = self._plugin_versions.get(provider.plugin, "")
        core = self._core_settings(provider, spec, path)
        own = {key: value for key, value in spec.settings.items() if key not in provider.kind.reserved}
        try:
            settings, problems = provider.validate(own, path)
        except PluginError as error:
            settings, problems = None, [Problem(path, error.message, error.hint)]
        self.problems.extend(problems)
        if settings is None:
            return self.stand_in(spec.kind, path)
        values = {
            name: self._walk(getattr(settings, name), join_path(path, [name]))
            for name in type(settings).model_fields
        }
        return Node(provider, settings, values, core, path)

    def _too_much(self, path: str) -> Problem:
        if self._count > MAX_COMPONENTS:
            return Problem(path, f"is one component too many: a recipe holds at most {MAX_COMPONENTS:,}.")
        return Problem(path, "is where looking ended: mend the problems before it first.")

    def stand_in(self, kind: str, path: str) -> Node:
        """What takes the place of a component that is wrong."""
        return Node(Provider(KINDS[kind], UNKNOWN, "", dict), Section(), {}, None, path)

    def _core_settings(self, provider: Provider, spec: ComponentSpec, path: str) -> Section | None:
        schema = CORE_SETTINGS.get(provider.kind.name)
        if schema is None:
            return None
        given = {key: value for key, value in spec.settings.items() if key in provider.kind.reserved}
        try:
            return schema.model_validate_json(json.dumps(given))
        except ValidationError as error:
            self.problems.extend(problems_of(error, given, path, schema, provider="imgfw"))
            return None

    def _walk(self, value: Any, path: str) -> Any:
        """Resolve the components within a setting's value, and make its paths absolute."""
        if isinstance(value, ComponentSpec):
            return self.node(value, path)
        if isinstance(value, Path):
            return self._absolute(value, path)
        if isinstance(value, BaseModel):
            fields = {
                name: self._walk(getattr(value, name), join_path(path, [name]))
                for name in type(value).model_fields
            }
            return value.model_copy(update=fields)
        if isinstance(value, list | tuple):
            return type(value)(self._walk(item, join_path(path, [n])) for n, item in enumerate(value))
        if isinstance(value, Mapping):
            return {key: self._walk(item, join_path(path, [str(key)])) for key, item in value.items()}
        return value

    def _absolute(self, value: Path, path: str) -> Path:
        """A path of the recipe's is relative to its folder, one of `--set` to the working folder."""
        try:
            return (self._source.base_of(path) / value.expanduser()).absolute()
        except RuntimeError:  # there is no such user
            self.problems.append(Problem(path, f"there is no home folder {value.parts[0]}."))
            return value
