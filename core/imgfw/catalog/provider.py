"""A provider as the catalog knows it: its name, what it asks for, and the schema of its settings."""

from __future__ import annotations

import inspect
import json
import re
import types
import typing
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from imgfw.contract.about import About, facts_about
from imgfw.contract.errors import PluginError, Problem
from imgfw.contract.kinds import KINDS, Kind

if TYPE_CHECKING:
    from pydantic import BaseModel

_NAME = re.compile(r"^[a-z][a-z0-9_]*$")


@dataclass(frozen=True)
class Provider:
    """One component that a plugin provides.

    Attributes:
        kind: its kind.
        name: its bare name.
        plugin: the name of the plugin it comes from.
        factory: the function or class that builds it.
    """

    kind: Kind
    name: str
    plugin: str
    factory: Callable[..., Any]

    @property
    def qualified(self) -> str:
        """The name that always means this provider, as `imgfw/resnet50`."""
        return f"{self.plugin}/{self.name}"

    @property
    def about(self) -> About:
        """What it states about itself."""
        return facts_about(self.factory)

    @property
    def description(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.factory) or "").split("\n", 1)[0].strip()

    @cached_property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """Its parameters by name."""
        return inspect.signature(self.factory).parameters

    @property
    def asks_for(self) -> tuple[str, ...]:
        """The parameters that imgfw gives it."""
        return tuple(
            name for name, item in self.parameters.items() if item.kind is not inspect.Parameter.KEYWORD_ONLY
        )

    @property
    def setting_names(self) -> tuple[str, ...]:
        """The settings that a recipe may give it, without the core's own."""
        return tuple(
            name for name, item in self.parameters.items() if item.kind is inspect.Parameter.KEYWORD_ONLY
        )

    @cached_property
    def settings_model(self) -> type[BaseModel]:
        """The schema of its settings.

        Raises:
            PluginError: an annotation cannot be resolved or means nothing to pydantic.
        """
        from pydantic import ConfigDict, create_model

        fields: dict[str, Any] = {}
        try:
            for name, annotation in self.annotations.items():
                default = self.parameters[name].default
                fields[name] = (annotation, ... if default is inspect.Parameter.empty else default)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # a setting may be called "copy" or "schema"
                return create_model(
                    self.name,
                    __config__=ConfigDict(
                        extra="forbid", strict=True, allow_inf_nan=False, frozen=True, protected_namespaces=()
                    ),
                    **fields,
                )
        except Exception as error:
            raise PluginError(
                f"The settings of {self.kind.singular} {self.qualified} have no schema: {error}.",
                "Its author must annotate every setting with a type that pydantic knows.",
            ) from error

    @cached_property
    def annotations(self) -> Mapping[str, Any]:
        """The types of its settings."""
        function = self.factory.__init__ if inspect.isclass(self.factory) else self.factory
        namespace = dict(getattr(inspect.unwrap(function), "__globals__", {}))
        annotations = {name: self.parameters[name].annotation for name in self.setting_names}
        holder = types.SimpleNamespace(__annotations__=annotations)
        return typing.get_type_hints(holder, globalns=namespace, include_extras=True)

    def validate(self, settings: Mapping[str, Any], path: str) -> tuple[BaseModel | None, list[Problem]]:
        """Check settings as they stand in a recipe.

        Args:
            settings: JSON data without `type` and without the core's own settings.
            path: where they stand, for the problems.

        Returns:
            the validated settings, or None and what is wrong with them.
        """
        from pydantic import ValidationError

        from imgfw.catalog.problems import problems_of

        schema = self.settings_model
        try:
            return schema.model_validate_json(json.dumps(settings)), []
        except ValidationError as error:
            hint = f"See: imgfw describe {self.kind.name} {self.name}"
            reserved = self.kind.reserved
            return None, problems_of(error, settings, path, schema, reserved, self.qualified, hint)


def snake_case(name: str) -> str:
    """The name of a class as a recipe writes it: `EarlyStopping` is `early_stopping`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def make_provider(kind_name: str, factory: Any, plugin: str) -> Provider:
    """Read what a hook returned.

    Raises:
        PluginError: it breaks the contract.
    """
    kind = KINDS[kind_name]
    if not callable(factory) or not hasattr(factory, "__name__"):
        raise PluginError(f"{kind.hook} returned {factory!r}, which is neither a function nor a class")
    name = snake_case(factory.__name__) if inspect.isclass(factory) else factory.__name__
    provider = Provider(kind, name, plugin, factory)
    if not _NAME.match(name):
        raise PluginError(f"{kind.singular} {name!r} needs a name of lower-case letters, digits and _")
    _check_signature(provider)
    _check_annotations(provider)
    return provider


def _check_signature(provider: Provider) -> None:
    kind, where = provider.kind, f"{provider.kind.singular} {provider.name}"
    try:
        parameters = provider.parameters
    except (TypeError, ValueError) as error:
        raise PluginError(f"{where} has no readable signature: {error}") from None
    for name, parameter in parameters.items():
        if parameter.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
            star = "**" if parameter.kind is inspect.Parameter.VAR_KEYWORD else "*"
            raise PluginError(f"{where} has {star}{name}: every setting must be a parameter of its own")
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            if name not in kind.offered:
                offered = ", ".join(kind.offered) or "nothing"
                raise PluginError(
                    f"{where} asks for {name!r}, but imgfw offers {kind.name} {offered} "
                    "(settings stand after the star)"
                )
        elif name == "type" or name in kind.reserved:
            raise PluginError(f"{where} has a setting {name!r}, a name that imgfw keeps for itself")
        elif parameter.annotation is inspect.Parameter.empty:
            raise PluginError(f"{where} has a setting {name!r} without a type annotation")


def _check_annotations(provider: Provider) -> None:
    """Refuse a setting whose type is written but is nowhere; what pydantic makes of it is seen at use."""
    try:
        provider.annotations  # noqa: B018 - resolved once, here
    except Exception as error:  # an annotation is an expression of the plugin's
        where = f"{provider.kind.singular} {provider.name}"
        raise PluginError(
            f"{where} has a setting whose type cannot be found: {type(error).__name__}: {error}"
        ) from None
