"""The cases of a plugin: each of its providers with each check that applies to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

from imgfw.catalog.catalog import Catalog
from imgfw.catalog.discovery import Declaration
from imgfw.catalog.loading import Plugin
from imgfw.catalog.provider import Provider
from imgfw.catalog.suggest import did_you_mean
from imgfw.contract.kinds import KINDS
from imgfw.testing import plugin as whole_plugin
from imgfw.testing.checks import CHECKS, Check
from imgfw.testing.network import no_network
from imgfw.testing.plugin import locate
from imgfw.testing.subject import Nonconformity, NotApplicableError, SettingsOf, Subject, Target

PluginLike = str | Path | ModuleType | Catalog
"""What names a plugin: a distribution or module, by name or itself, a file, or a catalog of several."""

SkipOf = str | Mapping[str, str]
"""Why checks of a provider are left out: by check, or for all that build it."""


@dataclass(frozen=True)
class Case:
    """One check of one provider, or of a plugin as a whole.

    Attributes:
        id: as `models/tinynet-backward`, or `plugin-import`.
        check: the check's name.
        provider: the provider; None for a check of the whole plugin.
        skip: why it is left out; empty: it is not.
        test: does the check, given an empty folder.
    """

    id: str
    check: str
    provider: Provider | None
    skip: str
    test: Callable[[Path], None]

    def run(self, folder: Path) -> None:
        """Check, without the network.

        Args:
            folder: an empty folder that the check may use.

        Raises:
            Nonconformity: an AssertionError whose message says what is wrong, where, and what to do.
            pytest.skip.Exception: the case is left out, or turned out not to apply.
        """
        __tracebackhide__ = True
        if self.skip:
            pytest.skip(self.skip)
        try:
            with no_network():
                self.test(folder)
        except NotApplicableError as error:
            pytest.skip(f"does not apply: {error}")
        except Nonconformity as error:
            raise error.with_traceback(None) from error.__cause__


def cases(
    plugin: PluginLike,
    *,
    skip: Mapping[str, SkipOf] | None = None,
    settings: Mapping[str, SettingsOf] | None = None,
    targets: Mapping[str, Target] | None = None,
) -> list[Case]:
    """The cases of a plugin; the parameters are those of `conformance`.

    A broken plugin has one case, which fails with the reason.
    """
    catalog, declarations = locate(plugin)
    plugins = {item.name: item for item in catalog.plugins()}
    tested = [(declaration, plugins[declaration.name]) for declaration in declarations]
    skipped, given = dict(skip or {}), dict(settings or {})
    names = [provider.name for _, loaded in tested for provider in _providers(loaded)]
    for what, mapping in (("skip", skipped), ("settings", given)):
        _refuse_unknown(what, mapping, names)
    listed: list[Case] = []
    for declaration, loaded in tested:
        before = f"{loaded.name}/" if len(tested) > 1 else ""
        listed += _cases_of_plugin(declaration, loaded, before)
        for provider in _providers(loaded):
            subject = partial(Subject, provider, catalog, given.get(provider.name), dict(targets or {}))
            for check in CHECKS:
                if check.applies_to(provider, targets or {}):
                    reason = _reason(skipped.get(provider.name, {}), check)
                    name = f"{before}{provider.kind.name}/{provider.name}-{check.name}"
                    test = partial(_check, check, subject)
                    listed.append(Case(name, check.name, provider, reason, test))
    return listed


def _check(check: Check, subject: Callable[[Path], Subject], folder: Path) -> None:
    check.function()(subject(folder))


def _providers(plugin: Plugin) -> Iterator[Provider]:
    for kind in KINDS:
        yield from plugin.providers.get(kind, ())


def _cases_of_plugin(declaration: Declaration, plugin: Plugin, before: str) -> Iterator[Case]:
    """What is checked of a plugin as a whole."""
    checks = {"loads": partial(whole_plugin.loads, plugin)}
    if plugin.status != "broken":
        checks["import"] = partial(whole_plugin.imports_little, declaration)
    for name, test in checks.items():
        yield Case(f"{before}plugin-{name}", name, None, "", lambda folder, test=test: test())  # type: ignore[misc]


def _refuse_unknown(what: str, mapping: Mapping[str, object], names: list[str]) -> None:
    known = [check.name for check in CHECKS]
    for name, value in mapping.items():
        if names and name not in names:
            raise ValueError(f"{what} names {name!r}, which the plugin does not have. {_near(name, names)}")
        for check in value if what == "skip" and isinstance(value, Mapping) else ():
            if check not in known:
                raise ValueError(f"{what}[{name!r}] names no check: {check!r}. {_near(check, known)}")


def _near(word: str, known: list[str]) -> str:
    return did_you_mean(word, known) or f"There are {', '.join(dict.fromkeys(known))}."


def _reason(skip: SkipOf, check: Check) -> str:
    if isinstance(skip, str):
        return skip if check.builds else ""
    return skip.get(check.name, "")
