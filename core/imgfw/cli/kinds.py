"""The kind of component that a person names, and the name by which a recipe reaches a provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgfw.catalog.catalog import Catalog
    from imgfw.catalog.provider import Provider
    from imgfw.contract.kinds import Kind


def find_kind(word: str) -> Kind:
    """The kind of a plural or singular noun.

    Raises:
        UsageError: there is no such kind.
    """
    from imgfw.catalog.suggest import did_you_mean
    from imgfw.contract.errors import UsageError
    from imgfw.contract.kinds import KINDS

    by_noun = {**{kind.singular: kind for kind in KINDS.values()}, **KINDS}
    if word not in by_noun:
        hint = did_you_mean(word, by_noun) or f"Kinds: {', '.join(KINDS)}."
        raise UsageError(f'There is no kind of component "{word}".', hint)
    return by_noun[word]


def name_in_recipe(provider: Provider, catalog: Catalog) -> str:
    """The shortest name that means this provider: bare where that is unambiguous, else qualified."""
    return catalog.names_of(provider)[0]


def warn_of_broken_plugins(catalog: Catalog) -> None:
    """Say on stderr which plugins could not be asked."""
    from imgfw.cli.failures import complain

    for plugin in catalog.plugins():
        if plugin.status == "broken":
            complain("warning", f"the plugin {plugin.name} is broken and not listed: {plugin.reason}")
