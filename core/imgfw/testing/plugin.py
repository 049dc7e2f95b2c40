"""A plugin as a whole: finding what is to be tested, and what its import costs."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from imgfw.catalog.catalog import Catalog
from imgfw.catalog.discovery import BUILTIN, Declaration, discover, normalize
from imgfw.catalog.loading import Plugin
from imgfw.catalog.selection import Selection
from imgfw.testing.subject import Nonconformity

IMPORT_SECONDS = 0.2
"""How long a plugin's own import may keep a processor busy."""

_ATTEMPTS = 3
"""Imports that are timed before it is called slow: the first may have to compile, others may be disturbed."""

_PROBE = """
import json, sys, time, traceback
from pathlib import Path
import imgfw
from imgfw.catalog import catalog, loading, provider
from imgfw.catalog.discovery import Declaration
from imgfw.contract import settings, transform, callback, task
name, modules, file = json.loads(sys.argv[1])
found = []

class Watch:
    def find_spec(self, name, path=None, target=None):
        frames = traceback.extract_stack()[:-1] if name == "torch" else []
        if any(frame.name == "_find_and_load" for frame in frames) and not found:
            files = [(frame.filename, frame.lineno) for frame in frames]
            own = files[max(n for n, (file, _) in enumerate(files) if file == loading.__file__) + 1 :]
            own = [item for item in own if "importlib" not in item[0]]
            root = own[0][0].removesuffix("__init__.py")
            found.append("{}:{}".format(*[item for item in own if item[0].startswith(root)][-1]))
            raise ImportError("torch is not imported here")

sys.meta_path.insert(0, Watch())
began = time.process_time()
loading.load(Declaration(name, modules=modules, file=Path(file) if file else None))
seconds = time.process_time() - began
print(json.dumps({"seconds": seconds, "torch": "".join(found)}))
"""


def locate(plugin: str | Path | ModuleType | Catalog) -> tuple[Catalog, list[Declaration]]:
    """Find what is to be tested.

    Returns:
        a catalog of it and the built-ins, and the plugins to test.

    Raises:
        ValueError: there is no such plugin.
    """
    if isinstance(plugin, Catalog):
        admitted = [item.name for item in plugin.plugins() if item.status != "disabled"]
        return plugin, [item for item in plugin.declarations if item.name in admitted]
    installed = discover()
    declaration = _declaration(plugin, installed)
    builtin = [item for item in installed if item.name == BUILTIN]
    others = [] if declaration.name == BUILTIN else [declaration]
    return Catalog(Selection(only=frozenset({declaration.name})), [*builtin, *others]), [declaration]


def _declaration(plugin: str | Path | ModuleType, installed: list[Declaration]) -> Declaration:
    if isinstance(plugin, Path) or (isinstance(plugin, str) and plugin.endswith(".py")):
        file = Path(plugin).resolve()
        if not file.is_file():
            raise ValueError(f"There is no plugin file {file}.")
        return Declaration(file.name, file=file)
    name = plugin if isinstance(plugin, str) else plugin.__name__
    for declaration in installed:
        modules = [target.partition(":")[0] for target in declaration.modules]
        if declaration.name == normalize(name) or name in modules:
            return declaration
    if importlib.util.find_spec(name.replace("-", "_")) is None:
        raise ValueError(
            f"There is neither a distribution nor a module {name}. "
            "Install the plugin (pip install -e .), or name its file: conformance('my_plugin.py')."
        )
    return Declaration(normalize(name), modules=[name.replace("-", "_")])


def loads(plugin: Plugin) -> None:
    """The plugin is not broken, and provides something."""
    if plugin.status == "broken":
        raise Nonconformity(f"The plugin {plugin.name} is broken: {plugin.reason}.")
    if plugin.status == "ok" and plugin.reason:
        raise Nonconformity(f"The plugin {plugin.name} loads, but {plugin.reason}.")
    if not any(plugin.providers.values()):
        raise Nonconformity(
            f"The plugin {plugin.name} provides nothing. "
            "Implement a hook, as imgfw_models, with @imgfw.hookimpl, and return a list of providers."
        )


def imports_little(declaration: Declaration) -> None:
    """The plugin's import brings no torch, and is quick: every `imgfw list-plugins` pays for it."""
    seconds = []
    for _ in range(_ATTEMPTS):
        measured = _import_elsewhere(declaration)
        if measured["torch"]:
            raise Nonconformity(
                f"Importing the plugin {declaration.name} imports torch ({measured['torch']}). "
                "Import it inside the provider, or under `if TYPE_CHECKING:` where only annotations need it."
            )
        seconds.append(measured["seconds"])
        if seconds[-1] <= IMPORT_SECONDS:
            break
    print(f"importing {declaration.name} takes {min(seconds):.3f} s of processor time, besides imgfw's own")
    if min(seconds) > IMPORT_SECONDS:
        raise Nonconformity(
            f"Importing the plugin {declaration.name} takes {min(seconds):.2f} s of processor time, more "
            f"than {IMPORT_SECONDS} s. Import heavy packages inside the provider; "
            "`python -X importtime -c 'import …'` shows which they are."
        )


def _import_elsewhere(declaration: Declaration) -> dict[str, Any]:
    """Import a plugin in a process of its own, imgfw's own modules first."""
    what = [declaration.name, declaration.modules, str(declaration.file or "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    command = [sys.executable, "-c", _PROBE, json.dumps(what)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Nonconformity(
            f"The plugin {declaration.name} cannot be imported in a fresh process: {done.stderr}"
        )
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured
