"""One provider under test: building it as a run would, and saying what is wrong with it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgfw.catalog.catalog import Catalog
from imgfw.catalog.provider import Provider
from imgfw.contract.component import ComponentSpec
from imgfw.contract.errors import ImgfwError
from imgfw.testing.tasks_tried import tasks_of

if TYPE_CHECKING:
    from imgfw.contract.dataset import DatasetInfo
    from imgfw.recipe.nodes import Node

SettingsOf = Mapping[str, Any] | Callable[[Path], Mapping[str, Any]]
"""Settings to build a provider with, or a function that prepares a folder for them."""

Target = Callable[["DatasetInfo", int], Any]
"""Makes the target of the sample of a number."""


class Nonconformity(AssertionError):
    """A provider does not do what the contract says; the message tells what, where, and what to do."""


class NotApplicableError(Exception):
    """A check turned out to have nothing to look at."""


@dataclass(frozen=True)
class Subject:
    """A provider under test.

    Attributes:
        provider: the provider.
        catalog: its plugin and the built-ins.
        given: settings that the author gave for it.
        targets: makes targets for tasks that are not built in, by task.
        folder: an empty folder.
    """

    provider: Provider
    catalog: Catalog
    given: SettingsOf | None
    targets: Mapping[str, Target]
    folder: Path

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that it is tried on."""
        return tasks_of(self.provider, self.targets)

    @property
    def label(self) -> str:
        """What it is and where, as `The model tinynet (my_plugin.py:12)`."""
        return f"The {self.provider.kind.singular} {self.provider.name}{self._place()}"

    def _place(self) -> str:
        factory: Any = inspect.unwrap(self.provider.factory)
        try:
            file, line = inspect.getsourcefile(factory), inspect.getsourcelines(factory)[1]
        except (OSError, TypeError):
            return ""
        return f" ({Path(file).name}:{line})" if file else ""

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """What it is built with: what the author gave, or its example; defaults besides."""
        if callable(self.given):
            return self.given(self.folder)
        return self.provider.about.example if self.given is None else self.given

    @cached_property
    def node(self) -> Node:
        """It with its settings, validated as those of a recipe."""
        from imgfw.recipe.reading import Source
        from imgfw.recipe.resolving import resolve_component

        spec = ComponentSpec(self.provider.kind.name, self.provider.qualified, self.settings)
        hint = 'State settings to try it with: @imgfw.about(example={"…": …}).'
        with self.attempt("its settings are refused", hint):
            return resolve_component(spec, Source({}, self.label, Path.cwd(), "test"), self.catalog)

    def make(self, info: DatasetInfo, **offered: Any) -> Any:
        """Build it as a run would; whatever it raises comes through.

        Args:
            info: of the data.
            offered: what imgfw offers besides; stand-ins are offered for the rest.
        """
        from imgfw.engine.components import build
        from imgfw.testing.samples import stand_ins

        return build(self.node, {**stand_ins(info), "info": info, **offered})

    def build(self, info: DatasetInfo, **offered: Any) -> Any:
        """Build it as a run would.

        Raises:
            Nonconformity: it cannot be built.
        """
        self.node  # noqa: B018 (its own message, where the settings are refused)
        shown = f"with {dict(self.settings)}" if self.settings else "with its defaults"
        hint = ""
        if self.provider.kind.name == "datasets" and self.given is None:
            hint = "Give the test settings to read something with: conformance(…, settings={…})."
        with self.attempt(f"it cannot be built {shown}", hint):
            return self.make(info, **offered)

    def fail(self, message: str) -> Nonconformity:
        """What is wrong, with what it is wrong with before it."""
        return Nonconformity(f"{self.label}: {message}")

    def expect(self, condition: bool, message: str) -> None:
        """See that something is so.

        Args:
            condition: whether it is.
            message: what is wrong if not, and what to do.

        Raises:
            Nonconformity: it isn't.
        """
        if not condition:
            raise self.fail(message)

    @contextmanager
    def attempt(self, what: str, hint: str = "") -> Iterator[None]:
        """Run the plugin's code.

        Args:
            what: what it means if that raises, as `a forward pass fails`.
            hint: what to do then.

        Raises:
            Nonconformity: it raised; the cause is chained.
        """
        try:
            yield
        except (Nonconformity, NotApplicableError):
            raise
        except Exception as error:  # a plugin may raise anything
            said = str(error) if isinstance(error, ImgfwError) else f"{type(error).__name__}: {error}"
            raise self.fail(f"{what}: {said.rstrip('.')}. {hint}".rstrip()) from error
