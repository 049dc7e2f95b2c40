"""From a recipe's names to providers and validated settings: everything known, nothing built."""

from __future__ import annotations

import copy
import difflib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from imgfw.catalog.catalog import NoSuchComponentError
from imgfw.catalog.problems import join_path, problems_of
from imgfw.catalog.provider import Provider
from imgfw.catalog.selection import is_file_word
from imgfw.contract.component import ComponentSpec
from imgfw.contract.errors import PluginError, Problem, RecipeError
from imgfw.contract.kinds import KINDS
from imgfw.recipe.schema import CORE_SETTINGS, SECTIONS, Recipe, Section

if TYPE_CHECKING:
    from imgfw.catalog.catalog import Catalog
    from imgfw.recipe.reading import Source


_UNKNOWN = "?"
"""The name of what stands in for a component that is wrong."""

_OF_OPTIMIZERS = ("lr", "momentum", "weight_decay")
"""Settings that most optimizers have, and that are looked for elsewhere."""

_KIND_OF = {"data": "datasets", "model": "models"}


@dataclass(frozen=True)
class Node:
    """A component of a recipe, found and validated.

    Attributes:
        provider: what builds it.
        settings: its validated settings, as the provider's static functions get them.
        values: the same by name, with components as nodes and paths made absolute: what the factory gets.
        core: the core's own settings that stand with it.
        path: where it stands in the recipe.
    """

    provider: Provider
    settings: BaseModel
    values: Mapping[str, Any]
    core: Section | None
    path: str

    def to_json(self) -> dict[str, Any]:
        """The component as a recipe writes it, with its qualified name and every setting."""
        core = self.core.model_dump(mode="json") if self.core is not None else {}
        return {
            "type": self.provider.qualified,
            **{key: _to_json(v) for key, v in self.values.items()},
            **core,
        }


@dataclass
class ResolvedRecipe:
    """A recipe whose every name and setting is known to be right, as far as can be told without data."""

    recipe: Recipe
    source: Source
    data: Node
    task: Node
    train_transforms: list[Node]
    eval_transforms: list[Node]
    model: Node
    loss: Node
    optimizer: Node
    scheduler: Node
    metrics: list[Node]
    callbacks: list[Node]
    versions: dict[str, str]
    notes: list[Problem] = field(default_factory=list)
    """What its reader should know, though nothing is wrong."""
    auto: dict[str, Any] = field(default_factory=dict)
    """What `auto` became when the run was built, by path."""

    @property
    def name(self) -> str:
        """The run's name; one made from the file's name has no characters that folders should not have."""
        cleaned = re.sub(r"[^A-Za-z0-9._-]+", "-", self.source.stem).strip("-._")
        return self.recipe.name or cleaned[:100] or "run"

    def to_json(self) -> dict[str, Any]:
        """The recipe with every default filled in, qualified names and absolute paths."""
        nodes = {
            "data": self.data.to_json(),
            "task": self.task.to_json(),
            "transforms": {
                "train": [node.to_json() for node in self.train_transforms],
                "eval": [node.to_json() for node in self.eval_transforms],
                "warp": self.recipe.transforms.warp,
            },
            "model": self.model.to_json(),
            "loss": self.loss.to_json(),
            "optimizer": self.optimizer.to_json(),
            "scheduler": self.scheduler.to_json(),
            "metrics": [node.to_json() for node in self.metrics],
            "callbacks": [node.to_json() for node in self.callbacks],
        }
        plain = set(Recipe.model_fields) - nodes.keys() - {"schema_"}
        whole = self.recipe.model_dump(mode="json", include=plain) | nodes
        whole |= {
            "name": self.name,
            "resolved_with": self.versions,
            "plugins": [_absolute_word(word, self.source.folder) for word in self.recipe.plugins],
        }
        for path, value in self.auto.items():
            section, _, key = path.partition(".")
            whole[section][key] = value
        return {key: whole[key] for key in Recipe.model_fields if key in whole}


def _absolute_word(word: str, folder: Path) -> str:
    return str((folder / word).resolve()) if is_file_word(word) else word


def _to_json(value: Any) -> Any:
    if isinstance(value, Node):
        return value.to_json()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, BaseModel):
        return {key: _to_json(getattr(value, key)) for key in type(value).model_fields}
    if isinstance(value, Mapping):
        return {key: _to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_to_json(item) for item in value]
    return value


def resolve(source: Source, catalog: Catalog) -> ResolvedRecipe:
    """Find every component that a recipe names and validate every setting.

    Raises:
        RecipeError: holding everything that is wrong, with paths and suggestions.
        PluginError: a plugin that the recipe lists is missing or broken.
    """
    resolved, problems = try_to_resolve(source, catalog)
    if problems:
        raise RecipeError(problems, source.label)
    return resolved


def try_to_resolve(source: Source, catalog: Catalog) -> tuple[ResolvedRecipe, list[Problem]]:
    """Resolve a recipe as far as possible, with stand-ins for the components that are wrong.

    Returns:
        the recipe, of use where there are no problems, and to look for more of them; and the problems.

    Raises:
        RecipeError: nothing can be made of the recipe.
        PluginError: a plugin that the recipe lists is missing or broken.
    """
    recipe, problems = _validate_sections(source)
    listed = _load_listed_plugins(recipe, source, catalog)
    finder = _Finder(source, catalog, problems, listed)
    data = finder.node(recipe.data, "data")
    task = _task(recipe, data, finder)
    metrics = recipe.metrics
    if metrics is None:
        names = getattr(task.provider.factory, "default_metrics", ())
        metrics = [finder.default("metrics", name, task) for name in names]
    resolved = ResolvedRecipe(
        recipe,
        source,
        data=data,
        task=task,
        train_transforms=finder.nodes(recipe.transforms.train, "transforms.train"),
        eval_transforms=finder.nodes(recipe.transforms.eval, "transforms.eval"),
        model=finder.node(recipe.model, "model"),
        loss=finder.node(recipe.loss, "loss") if recipe.loss else _default_loss(task, finder),
        optimizer=finder.node(recipe.optimizer, "optimizer"),
        scheduler=finder.node(recipe.scheduler, "scheduler"),
        metrics=finder.nodes(metrics, "metrics"),
        callbacks=finder.nodes(recipe.callbacks, "callbacks"),
        versions={name: version for name, version in sorted(finder.versions.items()) if version},
        notes=finder.notes(),
    )
    return resolved, finder.problems


def resolve_component(spec: ComponentSpec, source: Source, catalog: Catalog) -> Node:
    """Resolve one component on its own, and those within it.

    Args:
        spec: the component.
        source: what its paths are relative to.
        catalog: the plugins.

    Raises:
        RecipeError: holding everything that is wrong.
    """
    problems: list[Problem] = []
    node = _Finder(source, catalog, problems, ()).node(spec, KINDS[spec.kind].singular)
    if problems:
        raise RecipeError(problems, source.label)
    return node


def _validate_sections(source: Source) -> tuple[Recipe, list[Problem]]:
    """Validate all but the settings of components; what is wrong is left out and noted."""
    try:
        return Recipe.model_validate_json(json.dumps(source.raw)), []
    except ValidationError as error:
        problems = [_place(item) for item in problems_of(error, source.raw, "", Recipe)]
        raw: dict[str, Any] = copy.deepcopy(dict(source.raw))
        for item in error.errors(include_url=False):
            _leave_out(raw, item["loc"])
    try:
        return Recipe.model_validate_json(json.dumps(raw)), problems
    except ValidationError:
        raise RecipeError(problems, source.label) from None


def _leave_out(raw: dict[str, Any], location: tuple[str | int, ...]) -> None:
    """Take what stands at a location out of a recipe; a component that it must have gets a stand-in."""
    section, *inner = (str(step) for step in location)
    if inner and isinstance(raw.get(section), dict):
        raw[section].pop(inner[0], None)
    elif section in ("data", "model"):
        raw[section] = _UNKNOWN
    else:
        raw.pop(section, None)


def _place(problem: Problem) -> Problem:
    """Say where a setting belongs that stands in the wrong place, as `epochs` at the top."""
    section, _, key = problem.path.rpartition(".")
    homes = [f"{name}.{key}" for name, schema in SECTIONS.items() if key in schema.model_fields]
    homes += [f"optimizer.{key}"] if key in _OF_OPTIMIZERS else []
    if problem.message == "unknown setting." and homes and section in ("", *SECTIONS):
        return Problem(problem.path, problem.message, f'It belongs in "{homes[0]}".')
    if problem.message == "unknown setting." and not section and problem.hint.startswith("Known"):
        inner = {key: f"{name}.{key}" for name, schema in SECTIONS.items() for key in schema.model_fields}
        close = difflib.get_close_matches(key.lower(), inner, n=1)
        if close:
            return Problem(problem.path, problem.message, f'Did you mean "{inner[close[0]]}"?')
    if problem.message == "is required.":
        return Problem(problem.path, problem.message, f"See: imgfw list {_KIND_OF[problem.path]}")
    return problem


def _load_listed_plugins(recipe: Recipe, source: Source, catalog: Catalog) -> list[str]:
    """Load what a recipe lists under `plugins`; the plugins' names."""
    return [
        catalog.add_file(word, source.base_of("plugins") / word).name
        if is_file_word(word)
        else catalog.require(word).name
        for word in recipe.plugins
    ]


def _task(recipe: Recipe, data: Node, finder: _Finder) -> Node:
    if recipe.task is not None:
        return finder.node(recipe.task, "task")
    if data.provider.name == _UNKNOWN:
        return finder.stand_in("tasks", "task")
    describe = data.provider.about.describe
    name = describe(data.settings).task if describe is not None else None
    if name is None:
        finder.problems.append(
            Problem("task", "is required: the dataset does not say it.", "See: imgfw list tasks")
        )
    return finder.node(finder.default("tasks", name or _UNKNOWN, data), "task")


def _default_loss(task: Node, finder: _Finder) -> Node:
    name = getattr(task.provider.factory, "default_loss", "") or _UNKNOWN
    if name == _UNKNOWN and task.provider.name != _UNKNOWN:
        finder.problems.append(
            Problem("loss", f"is required for {task.provider.name}.", "See: imgfw list losses")
        )
    return finder.node(finder.default("losses", name, task), "loss")


class _Finder:
    """Resolves components and collects what is wrong with them."""

    def __init__(
        self, source: Source, catalog: Catalog, problems: list[Problem], listed: Sequence[str]
    ) -> None:
        self._source = source
        self._catalog = catalog
        self._listed = listed
        self._plugin_versions = {item.name: item.version for item in catalog.declarations}
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
        if spec.type == _UNKNOWN:
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

    def stand_in(self, kind: str, path: str) -> Node:
        """What takes the place of a component that is wrong."""
        return Node(Provider(KINDS[kind], _UNKNOWN, "", dict), Section(), {}, None, path)

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
        return (self._source.base_of(path) / value.expanduser()).absolute()


def map_nodes(value: Any, build: Callable[[Node], Any]) -> Any:
    """Replace every node within a value by what `build` makes of it."""
    if isinstance(value, Node):
        return build(value)
    if isinstance(value, BaseModel):
        fields = {name: map_nodes(getattr(value, name), build) for name in type(value).model_fields}
        return value.model_copy(update=fields)
    if isinstance(value, list | tuple):
        return type(value)(map_nodes(item, build) for item in value)
    if isinstance(value, Mapping):
        return {key: map_nodes(item, build) for key, item in value.items()}
    return value
