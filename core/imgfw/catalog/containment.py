"""Keeping what a plugin does when it is imported from reaching imgfw, the other plugins and the output."""

from __future__ import annotations

import builtins
import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any, TextIO, cast

from imgfw.contract.errors import PluginError

_QUIET = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
"""Warnings for the author of a library, which Python does not show to its users either."""


@contextlib.contextmanager
def contained() -> Iterator[list[str]]:
    """Undo what is done in the block beyond defining things, and tell it.

    What is printed goes to stderr, since stdout may be read by a program; warnings are kept back, and
    filters of warnings and the working folder are as before.

    Yields:
        the list that tells, after the block, what was done.

    Raises:
        PluginError: a name of imgfw or of Python was replaced; it is as before.
    """
    misdeeds: list[str] = []
    output = _ToStderr()
    folder = _working_folder()
    namespaces = _Namespaces()
    with warnings.catch_warnings(record=True) as warned, contextlib.redirect_stdout(cast(TextIO, output)):
        warnings.resetwarnings()
        warnings.simplefilter("default")
        for category in _QUIET:
            warnings.simplefilter("ignore", category)
        try:
            yield misdeeds
        finally:
            replaced = namespaces.restore()
            if folder and _working_folder() != folder:
                os.chdir(folder)
                misdeeds.append("changes the working folder when it is imported")
    if replaced:
        raise PluginError(f"it replaces {', '.join(replaced)}")
    if output.was_used:
        misdeeds.append("prints when it is imported")
    if warned:
        first = " ".join(str(warned[0].message).split())
        misdeeds.append(f"warns when it is imported: {warned[0].category.__name__}: {first}")


class _ToStderr:
    """Takes the place of stdout; whoever keeps it writes to stderr."""

    was_used = False

    def write(self, text: str) -> int:
        self.was_used = True
        return sys.stderr.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


def _working_folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - a string is compared and restored as it was
    except OSError:  # it was removed; nothing can be restored
        return ""


class _Namespaces:
    """What the names of imgfw's modules and of Python's builtins mean at a moment."""

    def __init__(self) -> None:
        self._modules: dict[str, ModuleType] = {
            name: module for name, module in sys.modules.items() if name.partition(".")[0] == "imgfw"
        }
        self._names: list[tuple[ModuleType, dict[str, Any]]] = [
            (module, dict(vars(module))) for module in (builtins, *self._modules.values())
        ]

    def restore(self) -> list[str]:
        """Give every name the meaning that it had; return those that had lost it. New names stay."""
        replaced = [name for name, module in self._modules.items() if sys.modules.get(name) is not module]
        sys.modules.update(self._modules)
        missing = object()
        for module, names in self._names:
            now = vars(module)
            changed = [name for name, value in names.items() if now.get(name, missing) is not value]
            now.update(names)
            replaced += [f"{module.__name__}.{name}" for name in changed]
        return replaced
