"""From a recipe's names to providers and validated settings: everything known, nothing built."""

from __future__ import annotations

import copy
import difflib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from imgfw.catalog.problems import problems_of
from imgfw.contract.component import ComponentSpec
from imgfw.contract.errors import Problem, RecipeError
from imgfw.contract.kinds import KINDS
from imgfw.recipe.finding import UNKNOWN, Finder
from imgfw.recipe.listed_plugins import absolute_word, load_listed_plugins
from imgfw.recipe.nodes import Node
from imgfw.recipe.schema import SECTIONS, Recipe

if TYPE_CHECKING:
    from imgfw.catalog.catalog import Catalog
    from imgfw.recipe.reading import Source


_OF_OPTIMIZERS = ("lr", "momentum", "weight_decay")
"""Settings that most optimizers have, and that are looked for elsewhere."""

_KIND_OF = {"data": "datasets", "model": "models"}


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
            "plugins": [absolute_word(word, self.source) for word in self.recipe.plugins],
        }
        for path, value in self.auto.items():
            section, _, key = path.partition(".")
            whole[section][key] = value
        return {key: whole[key] for key in Recipe.model_fields if key in whole}


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
    listed = load_listed_plugins(recipe.plugins, source, catalog)
    finder = Finder(source, catalog, problems, listed)
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
    node = Finder(source, catalog, problems, ()).node(spec, KINDS[spec.kind].singular)
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
        raw[section] = UNKNOWN
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


def _task(recipe: Recipe, data: Node, finder: Finder) -> Node:
    if recipe.task is not None:
        return finder.node(recipe.task, "task")
    if data.provider.name == UNKNOWN:
        return finder.stand_in("tasks", "task")
    describe = data.provider.about.describe
    name = describe(data.settings).task if describe is not None else None
    if name is None:
        finder.problems.append(
            Problem("task", "is required: the dataset does not say it.", "See: imgfw list tasks")
        )
    return finder.node(finder.default("tasks", name or UNKNOWN, data), "task")


def _default_loss(task: Node, finder: Finder) -> Node:
    name = getattr(task.provider.factory, "default_loss", "") or UNKNOWN
    if name == UNKNOWN and task.provider.name != UNKNOWN:
        finder.problems.append(
            Problem("loss", f"is required for {task.provider.name}.", "See: imgfw list losses")
        )
    return finder.node(finder.default("losses", name, task), "loss")
