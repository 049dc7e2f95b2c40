"""Loading one plugin so that whatever goes wrong in it stays in it."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pluggy

from imgfw import __version__
from imgfw.catalog.containment import contained
from imgfw.catalog.discovery import Declaration
from imgfw.catalog.provider import Provider, make_provider
from imgfw.catalog.trace import narrate
from imgfw.contract import hooks
from imgfw.contract.errors import PluginError
from imgfw.contract.kinds import KINDS

SLOW_SECONDS = 0.5
"""A plugin that takes longer than this to load is listed as slow."""

_CORE = str(Path(__file__).parents[1])
"""Where imgfw's own code is, which is not what is wrong with a plugin."""


@dataclass
class Plugin:
    """A plugin after the attempt to load it.

    Attributes:
        name: its distribution's name, or the name of a local file.
        version: its distribution's version.
        status: `ok`, `slow`, `broken` or `disabled`.
        reason: why it is not `ok`, or what it does that it should not.
        providers: by kind, in the order in which the plugin returned them.
        seconds: how long loading took.
        imports_torch: whether loading it imported torch.
        api: the version of the plugin API that it says it was written for.
    """

    name: str
    version: str
    status: Literal["ok", "slow", "broken", "disabled"] = "ok"
    reason: str = ""
    providers: dict[str, list[Provider]] = field(default_factory=dict)
    seconds: float = 0.0
    imports_torch: bool = False
    api: int | None = None


def load(declaration: Declaration) -> Plugin:
    """Import a plugin and ask it for its providers; a failure makes it `broken`, with the reason."""
    plugin = Plugin(declaration.name, declaration.version)
    had_torch = "torch" in sys.modules
    start = time.perf_counter()
    try:
        if declaration.error:
            raise PluginError(declaration.error)
        with contained() as misdeeds:
            for part in _import_parts(declaration):
                _collect(part, plugin)
        plugin.reason = "; ".join(misdeeds)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may raise anything, SystemExit included
        plugin.status, plugin.reason, plugin.providers = "broken", _explain(error, declaration), {}
    plugin.seconds = time.perf_counter() - start
    plugin.imports_torch = not had_torch and "torch" in sys.modules
    if plugin.status == "ok" and plugin.seconds > SLOW_SECONDS:
        slow = f"takes {plugin.seconds:.1f} s to load"
        plugin.status, plugin.reason = "slow", f"{slow}; {plugin.reason}" if plugin.reason else slow
    narrate(f"{plugin.name}: {' '.join(filter(None, (plugin.status, plugin.reason)))}")
    return plugin


def _import_parts(declaration: Declaration) -> list[Any]:
    if declaration.file is not None:
        return [_import_file(declaration.file)]
    parts: list[Any] = []
    for target in declaration.modules:
        module_name, _, attribute = target.partition(":")
        start = time.perf_counter()
        part: Any = importlib.import_module(module_name)
        narrate(f"{declaration.name}: imported {module_name} in {time.perf_counter() - start:.3f} s")
        for name in filter(None, attribute.split(".")):
            part = getattr(part, name)
        parts.append(part)
    return parts


def _import_file(file: Path) -> ModuleType:
    name = f"imgfw_local_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise PluginError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # so that what it defines can be found again by name
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _collect(part: Any, plugin: Plugin) -> None:
    _check_api(part, plugin)
    manager = pluggy.PluginManager("imgfw")
    manager.add_hookspecs(hooks)
    manager.register(part, name=plugin.name)
    manager.check_pending()
    _refuse_unmarked_hooks(part)
    for kind in KINDS.values():
        hook = getattr(manager.hook, kind.hook)
        returned = hook()
        if hook.get_hookimpls() and not returned:  # pluggy leaves out what is None
            returned = [None]
        for providers in returned:
            if not isinstance(providers, Iterable) or isinstance(providers, str | bytes):
                raise PluginError(f"{kind.hook} must return a list of providers, not {providers!r}")
            added = [_add(make_provider(kind.name, factory, plugin.name), plugin) for factory in providers]
            narrate(f"{plugin.name}: {kind.hook} gave {', '.join(added) or 'nothing'}")


def _check_api(part: Any, plugin: Plugin) -> None:
    """Read which version of the plugin API a part was written for, where it says so."""
    wanted = getattr(part, "IMGFW_API", None)
    if wanted is None:
        return
    if not isinstance(wanted, int) or wanted < 1:
        raise PluginError(f"its IMGFW_API is {wanted!r}, not a whole number from 1")
    plugin.api = max(wanted, plugin.api or 1)
    if wanted > hooks.API_VERSION:
        raise PluginError(
            f"it was written for version {wanted} of the plugin API, and this imgfw ({__version__}) has "
            f"version {hooks.API_VERSION}. Run: pip install --upgrade imgfw"
        )


def _add(provider: Provider, plugin: Plugin) -> str:
    listed = plugin.providers.setdefault(provider.kind.name, [])
    if any(other.name == provider.name for other in listed):
        raise PluginError(f"it provides the {provider.kind.singular} {provider.name!r} twice")
    listed.append(provider)
    return provider.name


def _refuse_unmarked_hooks(part: Any) -> None:
    """pluggy ignores a hook without its marker; its author would look for the mistake for long."""
    for name, value in vars(part).items() if hasattr(part, "__dict__") else ():
        if name.startswith("imgfw_") and inspect.isfunction(value) and not hasattr(value, "imgfw_impl"):
            raise PluginError(f"the function {name} lacks @hookimpl")


def _explain(error: BaseException, declaration: Declaration) -> str:
    if isinstance(error, PluginError):
        return str(error)
    if isinstance(error, SystemExit):
        return f"it calls sys.exit({error.code!r}) when it is imported"
    text = _text_of(error)
    if isinstance(error, pluggy.PluginValidationError) and "can not be found in the hookspec" in text:
        return f"its hook {text.split(' for hook ', 1)[1].split()[0]} has parameters; hooks are given none"
    if isinstance(error, pluggy.PluginValidationError) and "unknown hook" in text:
        unknown = text.split("unknown hook ", 1)[1].split()[0].strip("'\"")
        known = ", ".join(kind.hook for kind in KINDS.values())
        return (
            f"it implements {unknown}, which this imgfw does not know "
            f"(misspelt, or written for a newer one?). Hooks: {known}"
        )
    if isinstance(error, ImportError) and error.name == "imgfw":
        text += f"; this is imgfw {__version__} (is the plugin written for a newer one?)"
    return f"{type(error).__name__}: {text}{_where(error, declaration)}"


def _text_of(error: BaseException) -> str:
    """An exception's text on one line; one of a plugin's own may fail to give it."""
    try:
        return " ".join(str(error).split())
    except Exception:
        return "(an exception that cannot be printed)"


def _where(error: BaseException, declaration: Declaration) -> str:
    """The place in the plugin's own code that raised, as ` (file.py, line 3)`."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frames.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    own = [(name, line) for name, line in frames if "importlib" not in name and not name.startswith(_CORE)]
    if not own:
        return ""
    name, line = own[-1]
    return f" ({Path(name).name}, line {line})"
