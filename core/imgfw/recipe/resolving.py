"""From a recipe's names to providers and validated settings: everything known, nothing built."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from imgfw.catalog.catalog import NoSuchComponentError
from imgfw.catalog.provider import join_path, problems_of
from imgfw.catalog.selection import is_file_word
from imgfw.contract.component import ComponentSpec
from imgfw.contract.errors import PluginError, Problem, RecipeError
from imgfw.recipe.schema import CORE_SETTINGS, SECTIONS, Recipe, Section

if TYPE_CHECKING:
    from imgfw.catalog.catalog import Catalog
    from imgfw.catalog.provider import Provider
    from imgfw.recipe.reading import Source


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
    auto: dict[str, Any] = field(default_factory=dict)
    """What `auto` became when the run was built, by path."""

    @property
    def name(self) -> str:
        """The run's name."""
        return self.recipe.name or self.source.stem

    def to_json(self) -> dict[str, Any]:
        """The recipe with every default filled in, qualified names and absolute paths."""
        whole = self.recipe.model_dump(mode="json", by_alias=True, include=_plain_keys())
        whole = {key: value for key, value in whole.items() if key != "$schema"}
        nodes = {
            "data": self.data.to_json(),
            "task": self.task.to_json(),
            "transforms": {
                "train": [node.to_json() for node in self.train_transforms],
                "eval": [node.to_json() for node in self.eval_transforms],
            },
            "model": self.model.to_json(),
            "loss": self.loss.to_json(),
            "optimizer": self.optimizer.to_json(),
            "scheduler": self.scheduler.to_json(),
            "metrics": [node.to_json() for node in self.metrics],
            "callbacks": [node.to_json() for node in self.callbacks],
        }
        whole |= nodes | {
            "name": self.name,
            "resolved_with": self.versions,
            "plugins": [_absolute_word(word, self.source.folder) for word in self.recipe.plugins],
        }
        for path, value in self.auto.items():
            section, _, key = path.partition(".")
            whole[section][key] = value
        return {key: whole[key] for key in Recipe.model_fields if key in whole}


def _plain_keys() -> set[str]:
    components = {
        "data",
        "task",
        "transforms",
        "model",
        "loss",
        "optimizer",
        "scheduler",
        "metrics",
        "callbacks",
    }
    return set(Recipe.model_fields) - components


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
    recipe, problems = _validate_sections(source)
    if recipe is None:
        raise RecipeError(problems, source.label)
    _load_listed_plugins(recipe, source, catalog)
    finder = _Finder(source, catalog)
    data, model = finder.node(recipe.data, "data"), finder.node(recipe.model, "model")
    task = _task(recipe, data, finder)
    loss = finder.node(recipe.loss or _default(task, "default_loss", "losses", "loss", finder), "loss")
    metric_specs = recipe.metrics
    if metric_specs is None:
        names = getattr(task.provider.factory, "default_metrics", ()) if task else ()
        metric_specs = [ComponentSpec("metrics", name) for name in names]
    nodes = {
        "train_transforms": finder.nodes(recipe.transforms.train, "transforms.train"),
        "eval_transforms": finder.nodes(recipe.transforms.eval, "transforms.eval"),
        "optimizer": finder.node(recipe.optimizer, "optimizer"),
        "scheduler": finder.node(recipe.scheduler, "scheduler"),
        "metrics": finder.nodes(metric_specs, "metrics"),
        "callbacks": finder.nodes(recipe.callbacks, "callbacks"),
    }
    if finder.problems or data is None or model is None or task is None or loss is None:
        raise RecipeError(finder.problems, source.label)
    versions = {name: version for name, version in sorted(finder.versions.items()) if version}
    return ResolvedRecipe(
        recipe,
        source,
        data=data,
        task=task,
        model=model,
        loss=loss,
        versions=versions,
        **nodes,  # type: ignore[arg-type]
    )


def _validate_sections(source: Source) -> tuple[Recipe | None, list[Problem]]:
    try:
        return Recipe.model_validate_json(json.dumps(source.raw)), []
    except ValidationError as error:
        known: dict[tuple[str | int, ...], Sequence[str]] = {(): tuple(_keys(Recipe))}
        known |= {(name,): tuple(_keys(section)) for name, section in SECTIONS.items()}
        return None, [_place(problem) for problem in problems_of(error, source.raw, "", known)]


def _keys(section: type[Section]) -> list[str]:
    return [item.alias or name for name, item in section.model_fields.items()]


def _place(problem: Problem) -> Problem:
    """Say where a setting belongs that stands at the top by mistake, as `epochs`."""
    homes = [f"{name}.{problem.path}" for name, section in SECTIONS.items() if problem.path in _keys(section)]
    if problem.message == "unknown setting." and homes:
        return Problem(problem.path, problem.message, f'It belongs in "{homes[0]}".')
    return problem


def _load_listed_plugins(recipe: Recipe, source: Source, catalog: Catalog) -> None:
    for word in recipe.plugins:
        if is_file_word(word):
            catalog.add_file(word, source.folder / word)
        else:
            catalog.require(word)


def _task(recipe: Recipe, data: Node | None, finder: _Finder) -> Node | None:
    if recipe.task is not None:
        return finder.node(recipe.task, "task")
    if data is None:
        return None
    describe = data.provider.about.describe
    name = describe(data.settings).task if describe is not None else None
    if name is None:
        finder.problems.append(
            Problem("task", "is required: the dataset does not say it.", 'For example "classification".')
        )
        return None
    return finder.node(ComponentSpec("tasks", name), "task")


def _default(
    task: Node | None, attribute: str, kind: str, path: str, finder: _Finder
) -> ComponentSpec | None:
    name = getattr(task.provider.factory, attribute, "") if task is not None else ""
    if task is not None and not name:
        finder.problems.append(Problem(path, f"is required: {task.provider.qualified} has no default."))
    return ComponentSpec(kind, name) if name else None


class _Finder:
    """Resolves components and collects what is wrong with them."""

    def __init__(self, source: Source, catalog: Catalog) -> None:
        self._source = source
        self._catalog = catalog
        self._plugin_versions = {item.name: item.version for item in catalog.declarations}
        self.problems: list[Problem] = []
        self.versions: dict[str, str] = {}

    def nodes(self, specs: Sequence[ComponentSpec], path: str) -> list[Node]:
        """Resolve a list; what cannot be resolved is left out and noted."""
        found = [self.node(spec, join_path(path, [number])) for number, spec in enumerate(specs)]
        return [node for node in found if node is not None]

    def node(self, spec: ComponentSpec | None, path: str) -> Node | None:
        """Resolve one component and those within it."""
        if spec is None:
            return None
        try:
            provider = self._catalog.find(spec.kind, spec.type)
        except NoSuchComponentError as error:
            self.problems.append(Problem(path, error.message, error.hint))
            return None
        self.versions[provider.plugin] = self._plugin_versions.get(provider.plugin, "")
        core = self._core_settings(provider, spec, path)
        own = {key: value for key, value in spec.settings.items() if key not in provider.kind.reserved}
        try:
            settings, problems = provider.validate(own, path)
        except PluginError as error:
            problems, settings = [Problem(path, error.message, error.hint)], None
        self.problems.extend(problems)
        if settings is None:
            return None
        values = {
            name: self._walk(getattr(settings, name), join_path(path, [name]))
            for name in type(settings).model_fields
        }
        return Node(provider, settings, values, core, path)

    def _core_settings(self, provider: Provider, spec: ComponentSpec, path: str) -> Section | None:
        schema = CORE_SETTINGS.get(provider.kind.name)
        if schema is None:
            return None
        given = {key: value for key, value in spec.settings.items() if key in provider.kind.reserved}
        try:
            return schema.model_validate_json(json.dumps(given))
        except ValidationError as error:
            self.problems.extend(problems_of(error, given, path, {(): _keys(schema)}, "imgfw"))
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
        from_command_line = any(
            path == other or path.startswith((f"{other}.", f"{other}[")) for other in self._source.overridden
        )
        base = Path.cwd() if from_command_line else self._source.folder
        return (base / value.expanduser()).absolute()


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
