"""The catalog: from the name in a recipe to the provider it means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from imgfw.catalog import selection as selecting
from imgfw.catalog.discovery import BUILTIN, Declaration, discover, normalize
from imgfw.catalog.loading import Plugin, load
from imgfw.catalog.provider import Provider
from imgfw.catalog.selection import Selection
from imgfw.catalog.suggest import did_you_mean
from imgfw.catalog.trace import narrate
from imgfw.contract.errors import ImgfwError, PluginError
from imgfw.contract.kinds import KINDS


class NoSuchComponentError(ImgfwError):
    """A name that no provider answers to, or more than one."""

    exit_code = 2


class Catalog:
    """The plugins that may be used, each imported when it is first needed.

    Args:
        selection: which plugins may be imported; by default what IMGFW_PLUGINS says.
        declarations: the plugins there are; by default those installed.

    Raises:
        UsageError: the selection names a plugin that is not installed.
    """

    def __init__(
        self, selection: Selection | None = None, declarations: Sequence[Declaration] | None = None
    ) -> None:
        self._selection = selecting.from_environment() if selection is None else selection
        self._declarations = {
            item.name: item for item in (discover() if declarations is None else declarations)
        }
        selecting.check_words(self._selection, list(self._declarations.values()))
        self._loaded: dict[str, Plugin] = {}
        for file in self._selection.files:
            self.add_file(str(file), file)

    @cached_property
    def builtin(self) -> Plugin:
        """The plugin of the built-ins.

        Raises:
            PluginError: it is missing or broken, so that nothing can work.
        """
        if BUILTIN not in self._declarations:
            raise PluginError(
                "imgfw's own components are not installed.",
                "Install imgfw with pip (for a checkout: pip install -e .).",
            )
        plugin = self._load(BUILTIN)
        if plugin.status == "broken":
            raise PluginError(
                f"imgfw's own components cannot be loaded: {plugin.reason}.", "Try: imgfw doctor"
            )
        return plugin

    @property
    def declarations(self) -> list[Declaration]:
        """The plugins there are, in order of discovery."""
        return list(self._declarations.values())

    def declaration(self, plugin: str) -> Declaration:
        """What the distribution, or the file, of a plugin declares."""
        return self._declarations[plugin]

    @property
    def admits_files(self) -> bool:
        """Whether plugin files may be loaded because a recipe names them."""
        return self._selection.files_of_recipes

    def was_chosen(self, file: Path) -> bool:
        """Whether whoever chose the plugins named this file, an absolute path without links."""
        return any(file == chosen.resolve() for chosen in self._selection.files)

    def add_file(self, word: str, file: Path) -> Plugin:
        """Add a local file as a plugin; its name is the file's, without folders.

        Args:
            word: what named it, for messages.
            file: where it is.

        Raises:
            PluginError: the file is missing or broken, or another of the same name was added before.
        """
        if not file.is_file():
            raise PluginError(f"There is no plugin file {file}.")
        added = self._declarations.setdefault(file.name, Declaration(file.name, file=file.resolve()))
        if added.file != file.resolve():
            raise PluginError(
                f"Two plugin files are called {file.name}: {added.file} and {file}.", "Rename one."
            )
        plugin = self._load(file.name)
        if plugin.status == "broken":
            raise PluginError(f"The plugin {word} is broken: {plugin.reason}.")
        return plugin

    def require(self, requirement: str) -> Plugin:
        """Load an installed plugin that a recipe names, as `imgfw-plugin-x>=0.2`.

        Raises:
            PluginError: not installed, of another version, disabled or broken.
        """
        from packaging.requirements import InvalidRequirement, Requirement

        try:
            wanted = Requirement(requirement)
            if wanted.url:  # whoever follows the hint would install what a stranger put there
                raise InvalidRequirement("names an address")
        except InvalidRequirement:
            raise PluginError(
                f"{requirement!r} names no plugin.", 'Write "imgfw-plugin-x>=0.2" or "./file.py".'
            ) from None
        advice = f"Run: pip install '{wanted.name}{wanted.specifier}'"
        declaration = self._declarations.get(normalize(wanted.name))
        if declaration is None:
            raise PluginError(f"The plugin {wanted.name} is not installed.", advice)
        if not wanted.specifier.contains(declaration.version, prereleases=True):
            version = declaration.version or "unknown"
            raise PluginError(
                f"The plugin {wanted.name} is installed in version {version}, not {wanted.specifier}.", advice
            )
        plugin = self._load(declaration.name)
        if plugin.status in ("broken", "disabled"):
            raise PluginError(f"The plugin {wanted.name} is {plugin.status}: {plugin.reason}.")
        return plugin

    def plugins(self) -> list[Plugin]:
        """Load every plugin that may be used, and list them all: built-ins, by name, local files."""
        return [self._load(name) for name in self._declarations]

    def _load(self, name: str) -> Plugin:
        if name not in self._loaded:
            declaration = self._declarations[name]
            if declaration.file is None and not self._selection.admits(name):
                plugin = Plugin(name, declaration.version, "disabled", "left out by -p or IMGFW_PLUGINS")
                narrate(f"{name}: {plugin.reason}")
            else:
                plugin = load(declaration)
            self._loaded[name] = plugin
        return self._loaded[name]

    def find(self, kind: str, name: str, listed: Sequence[str] = ()) -> Provider:
        """The provider that a name in a recipe means.

        A built-in keeps its bare name whatever is installed; a recipe that uses only built-ins, plugins that
        it lists, or qualified names imports no other plugin.

        Args:
            kind: its kind.
            name: its bare or qualified name.
            listed: the names of the plugins that the recipe lists, which come before the others.

        Raises:
            NoSuchComponentError: no provider has the name, or several third parties have it.
        """
        if "/" in name:
            return self._find_qualified(kind, name)
        own = _named(self.builtin.providers.get(kind, ()), name)
        if own is not None:
            return own
        owners = self._owners(kind, name, listed) or self._owners(kind, name, self._declarations)
        if len(owners) == 1:
            return owners[0]
        if owners:
            choices = " or ".join(f'"{provider.qualified}"' for provider in owners)
            raise NoSuchComponentError(
                f'several plugins provide the {KINDS[kind].singular} "{name}".', f"Write {choices}."
            )
        raise NoSuchComponentError(f'there is no {KINDS[kind].singular} "{name}".', self._hint(kind, name))

    def _owners(self, kind: str, name: str, plugins: Iterable[str]) -> list[Provider]:
        """The providers of a name in some plugins."""
        found = (
            _named(self._load(plugin).providers.get(kind, ()), name) for plugin in dict.fromkeys(plugins)
        )
        return [provider for provider in found if provider is not None]

    def _find_qualified(self, kind: str, name: str) -> Provider:
        owner, _, bare = name.rpartition("/")
        declared = owner if owner in self._declarations else normalize(owner)
        if declared not in self._declarations:
            hint = did_you_mean(declared, self._declarations) or f"Run: pip install {declared}"
            raise NoSuchComponentError(f'"{name}" is from the plugin {owner}, which is not installed.', hint)
        plugin = self._load(declared)
        if plugin.status in ("broken", "disabled"):
            raise NoSuchComponentError(f"the plugin {declared} is {plugin.status}: {plugin.reason}.")
        provider = _named(plugin.providers.get(kind, ()), bare)
        if provider is None:
            names = [item.name for item in plugin.providers.get(kind, ())]
            raise NoSuchComponentError(
                f'the plugin {declared} has no {KINDS[kind].singular} "{bare}".', did_you_mean(bare, names)
            )
        return provider

    def _hint(self, kind: str, name: str) -> str:
        hint = did_you_mean(name, (provider.name for provider in self.providers(kind)))
        for other, label in ((k, KINDS[k].singular) for k in KINDS if k != kind):
            if any(provider.name == name for provider in self.providers(other)):
                article = "an" if label[0] in "aeiou" else "a"
                hint = f"It is the name of {article} {label}. {hint}".strip()
        for plugin in self._loaded.values():
            if plugin.status == "broken":
                note = f"(The plugin {plugin.name} is broken and may provide it: imgfw list-plugins.)"
                hint = f"{hint} {note}".strip()
        return hint or f"See: imgfw list {kind}"

    def name_near(self, kind: str, name: str, plugin: str) -> str:
        """What a plugin means by a name: its own component, where it has one, else what everybody means."""
        own = self._loaded.get(plugin)
        named = own is not None and _named(own.providers.get(kind, ()), name) is not None
        return f"{plugin}/{name}" if named and plugin != BUILTIN else name

    def rivals(self, provider: Provider) -> list[Provider]:
        """The providers of the same name in other plugins that were loaded already."""
        return [
            other
            for plugin in self._loaded.values()
            if plugin.name != provider.plugin
            and (other := _named(plugin.providers.get(provider.kind.name, ()), provider.name)) is not None
        ]

    def shared_names(self, plugin: Plugin) -> dict[str, dict[str, list[str]]]:
        """The names of a plugin that others which were loaded have too: by kind and name, those plugins."""
        shared: dict[str, dict[str, list[str]]] = {}
        for kind, providers in plugin.providers.items():
            for provider in providers:
                others = [rival.plugin for rival in self.rivals(provider)]
                if others:
                    shared.setdefault(kind, {})[provider.name] = others
        return shared

    def requirements(self) -> list[str]:
        """The installed third-party plugins that may be used, as pip takes them: `imgfw-plugin-x==0.2`."""
        return [
            f"{item.name}=={item.version}" if item.version else item.name
            for item in self._declarations.values()
            if item.file is None and item.name != BUILTIN and self._selection.admits(item.name)
        ]

    def names_of(self, provider: Provider) -> list[str]:
        """The names that mean a provider: the bare one, where it does, and the qualified."""
        try:
            meant = self.find(provider.kind.name, provider.name)
        except NoSuchComponentError:
            return [provider.qualified]
        return [provider.name, provider.qualified] if meant is provider else [provider.qualified]

    def providers(self, kind: str) -> Iterator[Provider]:
        """Every provider of a kind, plugin by plugin."""
        for plugin in self.plugins():
            yield from plugin.providers.get(kind, ())


def _named(providers: Iterable[Provider], name: str) -> Provider | None:
    return next((provider for provider in providers if provider.name == name), None)
