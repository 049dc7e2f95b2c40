"""Which distributions declare plugins: the one place that reads entry points."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from entrypoints import BadEntryPoint, CaseSensitiveConfigParser, EntryPoint

from imgfw.catalog.trace import narrate

GROUP = "imgfw"
BUILTIN = "imgfw"
"""The distribution whose plugin holds the built-ins."""


@dataclass
class Declaration:
    """A plugin as its distribution declares it, nothing imported.

    Attributes:
        name: the distribution's name, normalised; a local file's name.
        version: the distribution's version; empty for a local file.
        modules: what to import: modules, or `module:attribute`.
        file: the local file, for a plugin that is one.
        error: why the declaration itself cannot be read.
        shadowed: folders that hold another installation of the same distribution, later on the path.
    """

    name: str
    version: str = ""
    modules: list[str] = field(default_factory=list)
    file: Path | None = None
    error: str = ""
    shadowed: list[Path] = field(default_factory=list)


def normalize(name: str) -> str:
    """A distribution's name in its one normal form, as `imgfw-plugin-x`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def discover(path: Iterable[str] | None = None) -> list[Declaration]:
    """Find every distribution that declares an entry point of group `imgfw`.

    Args:
        path: folders to look in, `sys.path` by default. The first installation of a distribution counts.

    Returns:
        the built-ins first, then by name. A malformed declaration is returned with its `error`.
    """
    found: dict[str, Declaration] = {}
    for folder in dict.fromkeys(Path(entry or ".") for entry in (sys.path if path is None else path)):
        for file in _entry_point_files(folder):
            declaration = _read_declaration(file)
            if declaration is None:
                continue
            first = found.setdefault(declaration.name, declaration)
            if first is declaration:
                narrate(f"found {declaration.name} {declaration.version} in {file.parent}")
            else:
                first.shadowed.append(file.parent)
                narrate(f"passed over {file.parent}: an earlier folder has {declaration.name}")
    return sorted(found.values(), key=lambda plugin: (plugin.name != BUILTIN, plugin.name))


def _entry_point_files(folder: Path) -> Iterator[Path]:
    try:
        entries = sorted(entry for entry in folder.iterdir() if entry.suffix in (".dist-info", ".egg-info"))
    except OSError:
        return
    for entry in entries:
        yield entry / "entry_points.txt"


def _read_declaration(file: Path) -> Declaration | None:
    """Read one distribution's file; None when there is none, or it declares nothing for imgfw."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    if b"[" + GROUP.encode() + b"]" not in content.replace(b" ", b""):
        return None
    name, _, version = file.parent.stem.partition("-")
    declaration = Declaration(normalize(name), version.partition("-py")[0] or _version_in(file.parent))
    parser = CaseSensitiveConfigParser(delimiters=("=",))
    try:
        parser.read_string(content.decode("utf-8"))
        declaration.modules = [
            _target(EntryPoint.from_string(value, key)) for key, value in parser.items(GROUP)
        ]
    except BadEntryPoint as error:
        declaration.error = f'its entry point "{error.epstr}" is not of the form "module" or "module:object"'
    except Exception as error:  # one malformed file must not hide the other plugins
        declaration.error = f"its entry_points.txt cannot be read: {' '.join(str(error).split())}"
    return declaration


def _version_in(folder: Path) -> str:
    """The version of an `.egg-info` whose name holds none, as a checkout of a plugin may have."""
    try:
        text = (folder / "PKG-INFO").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(r"^Version: *(\S+)", text, re.MULTILINE)
    return found[1] if found else ""


def _target(entry: EntryPoint) -> str:
    return f"{entry.module_name}:{entry.object_name}" if entry.object_name else str(entry.module_name)
