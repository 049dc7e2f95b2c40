"""The files of a new plugin, from templates: a distribution with a part of each kind that was asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from imgfw import __version__
from imgfw.catalog.discovery import BUILTIN, normalize
from imgfw.catalog.provider import snake_case
from imgfw.contract.errors import UsageError
from imgfw.contract.hooks import API_VERSION
from imgfw.contract.kinds import KINDS

PREFIX = "imgfw-plugin-"

_TEMPLATES = Path(__file__).parent / "templates" / "plugin"

_FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    ".gitignore": "gitignore",
    ".github/workflows/tests.yml": "ci.yml",
    "tests/test_plugin.py": "test_plugin.py",
}
"""The template of each file that every new plugin has."""

_PARTS: dict[str, dict[str, str]] = {
    "tasks": {
        "tasks": "${camel}Grade",
        "models": "${stem}_linear",
        "losses": "${stem}_squared_error",
        "metrics": "${stem}_mean_error",
    },
    "datasets": {"datasets": "${stem}_stripes"},
    "transforms": {"transforms": "${camel}Dim"},
    "models": {"models": "${stem}_net"},
    "losses": {"losses": "${stem}_brier"},
    "optimizers": {"optimizers": "${stem}_nesterov"},
    "schedulers": {"schedulers": "${stem}_inverse_square_root"},
    "metrics": {"metrics": "${stem}_kappa"},
    "callbacks": {"callbacks": "${camel}LargestNorm"},
}
"""What the template of a kind provides, by kind: a new task needs a model, a loss and a metric of its own."""


def distribution_name(name: str) -> str:
    """The name of a plugin's distribution, `imgfw-plugin-NAME`.

    Raises:
        UsageError: no distribution can have the name, or imgfw has it.
    """
    stem = normalize(name).removeprefix(PREFIX)
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", stem) or len(stem) > 60:
        raise UsageError(
            f'A plugin cannot be called "{name}".',
            "Give it up to 60 letters, digits and hyphens, a letter first, as: imgfw new-plugin tiny",
        )
    if stem in (BUILTIN, PREFIX.rstrip("-"), "plugin"):
        raise UsageError(f'"{name}" names no plugin.', "Say what it adds, as: imgfw new-plugin tiny")
    return PREFIX + stem


def plugin_files(distribution: str, kinds: Sequence[str]) -> dict[str, str]:
    """The texts of all files of a new plugin, by path within its folder.

    Args:
        distribution: its name, as `distribution_name` gives it.
        kinds: the kinds to provide, in the order of `KINDS`.
    """
    words = _words(distribution)
    provided = _provided(kinds, words)
    words |= {
        "title": _title(kinds),
        "listing": _listing(provided),
        "conformance": _conformance(words, "tasks" in kinds),
    }
    package = words["package"]
    files = {path: _render(template, words) for path, template in _FILES.items()}
    files |= {f"{package}/{kind}.py": _render(f"parts/{kind}.py", words) for kind in kinds}
    files[f"{package}/__init__.py"] = _front(distribution, package, provided)
    files[f"{package}/py.typed"] = ""
    files["recipe.json"] = _recipe(distribution, provided)
    return files


def write_plugin(folder: Path, files: Mapping[str, str]) -> None:
    """Write a new plugin into a folder that is not there yet.

    Raises:
        UsageError: something is there.
    """
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise UsageError(f"{folder} is there already.", "Choose another name, or move it away.") from None
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def _words(distribution: str) -> dict[str, str]:
    """What the templates' placeholders stand for."""
    stem = distribution.removeprefix(PREFIX)
    camel = "".join(part.capitalize() for part in stem.split("-"))
    return {
        "distribution": distribution,
        "package": distribution.replace("-", "_"),
        "stem": stem.replace("-", "_"),
        "camel": camel,
        "snake": snake_case(camel),
        "imgfw_version": __version__,
    }


def _render(template: str, words: Mapping[str, str]) -> str:
    text = (_TEMPLATES / f"{template}.template").read_text(encoding="utf-8")
    return Template(text).substitute(words)


def _provided(kinds: Sequence[str], words: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """What the plugin provides: by kind, the module of each provider."""
    provided: dict[str, dict[str, str]] = {}
    for module in kinds:
        for kind, name in _PARTS[module].items():
            provided.setdefault(kind, {})[Template(name).substitute(words)] = module
    return {kind: provided[kind] for kind in KINDS if kind in provided}


def _title(kinds: Sequence[str]) -> str:
    nouns = [KINDS[kind].singular for kind in kinds]
    phrases = [f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}" for noun in nouns]
    text = phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"
    return text[0].upper() + text[1:]


def _listing(provided: Mapping[str, Mapping[str, str]]) -> str:
    return "\n".join(
        f"- the {KINDS[kind].singular} `{snake_case(name)}`"
        for kind, names in provided.items()
        for name in names
    )


def _conformance(words: Mapping[str, str], has_task: bool) -> str:
    """The arguments of the conformance kit; of a new task it must be told how to make targets."""
    name = f'"{words["distribution"]}"'
    if not has_task:
        return name
    return f'\n    {name}, targets={{"{words["snake"]}_grade": lambda info, number: float(number)}}\n'


def _front(distribution: str, package: str, provided: Mapping[str, Mapping[str, str]]) -> str:
    """The package's `__init__`: the hooks."""
    by_module: dict[str, list[str]] = {}
    for names in provided.values():
        for name, module in names.items():
            by_module.setdefault(module, []).append(name)
    imports = [
        f"from {package}.{module} import {_imported(names)}" for module, names in sorted(by_module.items())
    ]
    hooks = [
        f'@hookimpl\ndef {KINDS[kind].hook}():\n    """The {kind}."""\n    return [{", ".join(names)}]'
        for kind, names in provided.items()
    ]
    head = (
        f'"""{distribution}: a plugin for imgfw.\n\nThe functions at the end tell imgfw what there is. '
        'Torch is imported only when something is built,\nso that listing plugins stays fast.\n"""'
    )
    api = f'IMGFW_API = {API_VERSION}\n"""The version of imgfw\'s plugin API that this was written for."""'
    start = "\n".join(["from __future__ import annotations", "", "from imgfw import hookimpl", "", *imports])
    return "\n\n".join([head, start, api]) + "\n\n\n" + "\n\n\n".join(hooks) + "\n"


def _imported(names: Sequence[str]) -> str:
    line = ", ".join(sorted(names))
    if len(names) == 1:
        return line
    return "(\n" + "".join(f"    {name},\n" for name in sorted(names)) + ")"


def _recipe(distribution: str, provided: Mapping[str, Mapping[str, str]]) -> str:
    """A recipe that trains with the plugin on the built-in digits, or on the plugin's own data."""
    parts = {kind: snake_case(list(names)[-1]) for kind, names in provided.items()}
    if "tasks" in provided:  # its own model, loss and metric come first
        parts |= {kind: snake_case(next(iter(provided[kind]))) for kind in ("models", "losses", "metrics")}
    recipe: dict[str, Any] = {
        "version": 1,
        "seed": 0,
        "plugins": [f"{distribution}>=0.1"],
        "data": parts.get("datasets", "digits"),
        "task": parts.get("tasks", "classification"),
        "loader": {"batch_size": 32},
        "transforms": {
            "train": [*filter(None, [parts.get("transforms")]), "normalize"],
            "eval": ["normalize"],
        },
        "model": parts.get("models", {"type": "resnet9", "width": 8}),
        "loss": parts.get("losses", "cross_entropy"),
        "optimizer": parts.get("optimizers", {"type": "adam", "lr": 0.003}),
        "scheduler": parts.get("schedulers", "cosine"),
        "metrics": [parts.get("metrics", "accuracy")],
        "callbacks": [*filter(None, [parts.get("callbacks")])],
        "train": {"epochs": 5},
    }
    return _one_line_a_key(recipe)


def _one_line_a_key(recipe: Mapping[str, Any]) -> str:
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in recipe.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"
