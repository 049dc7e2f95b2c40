"""What the options before the verb say, and the catalog that they choose."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgfw.catalog.catalog import Catalog


@dataclass
class Invocation:
    """One call of the command.

    Attributes:
        words: what `-p` said.
        strict: whether a broken plugin is an error.
        quiet: whether to print results and errors only.
    """

    words: tuple[str, ...] = ()
    strict: bool = False
    quiet: bool = False

    @cached_property
    def catalog(self) -> Catalog:
        """The plugins that may be used; built when a verb first asks.

        Raises:
            UsageError: a word names a plugin that is not there.
            PluginError: a plugin is broken, and `--strict-plugins` was given.
        """
        from imgfw.catalog.catalog import Catalog
        from imgfw.catalog.selection import from_environment

        catalog = Catalog(from_environment(self.words))
        if self.strict:
            _refuse_broken(catalog)
        return catalog

    def group_words(self) -> list[str]:
        """The options before the verb as a command line, for the processes of a run."""
        words = [part for word in self.words for part in ("-p", word)]
        return [*words, *["--strict-plugins"] * self.strict, *["--quiet"] * self.quiet]


def _refuse_broken(catalog: Catalog) -> None:
    from imgfw.contract.errors import PluginError

    broken = [plugin for plugin in catalog.plugins() if plugin.status == "broken"]
    if broken:
        lines = "\n".join(f"  {plugin.name}: {plugin.reason}" for plugin in broken)
        names = " ".join(f"-p no:{plugin.name}" for plugin in broken)
        raise PluginError(
            f"broken plugins:\n{lines}\n", f"Mend or uninstall them, or leave them out: {names}"
        )
