"""The page of every public name of the package `imgfw`."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from typing import Any

import imgfw
from imgfw.catalog.docstrings import Docstring, parse_docstring

from generator import markdown

_GROUPS = (
    ("Running and using runs", ("run", "resume", "RunResult", "check", "RecipeReport", "load", "Predictor")),
    ("Declaring a plugin", ("hookimpl", "about", "About")),
    ("Settings", ("Gt", "Ge", "Lt", "Le", "Interval", "Len", "Monitor", "Settings")),
    ("Components as settings", ("Dataset", "Loss", "Metric", "Model", "Optimizer", "Scheduler")),
    (
        "Datasets",
        ("Splits", "DatasetInfo", "DatasetDescription", "MapDataset", "InMemory", "ChannelStatistics"),
    ),
    ("Image files", ("read_image", "read_mask")),
    ("Weights", ("without_wrappers",)),
    ("Transforms", ("Transform", "Warp", "Keys")),
    ("Losses", ("Weighted", "MixedTargets")),
    ("Tasks", ("Task",)),
    ("Callbacks", ("Callback", "Run", "Plan", "Best", "EvalBatch")),
    (
        "Errors",
        (
            "ImgfwError",
            "UsageError",
            "RecipeError",
            "DataError",
            "BadSampleError",
            "PluginError",
            "DivergedError",
            "InterruptedRun",
        ),
    ),
    ("The package", ("__version__",)),
)

_CONSTRAINTS = {
    "Gt": "`Annotated[float, Gt(0)]`: greater than.",
    "Ge": "`Annotated[float, Ge(0)]`: at least.",
    "Lt": "`Annotated[float, Lt(1)]`: less than.",
    "Le": "`Annotated[float, Le(1)]`: at most.",
    "Interval": "`Annotated[float, Interval(ge=0, lt=1)]`: several of these, named `gt`, `ge`, `lt`, `le`.",
    "Len": "`Annotated[list[int], Len(1, 3)]`: number of items, at least and at most.",
}
"""Names of the package `annotated_types`, which describes them at greater length."""

_NOT_CALLED = ("Callback", "MapDataset", "Predictor", "Settings", "Transform")
"""Classes that nobody calls: they are derived from, or imgfw makes their objects."""


def page() -> str:
    """All groups."""
    missing = set(imgfw.__all__) - {name for _, names in _GROUPS for name in names}
    if missing:
        raise SystemExit(f"docs/generator/python_api.py has no group for {', '.join(sorted(missing))}.")
    return markdown.page(
        "# Python names",
        "Everything public is a name of the package `imgfw`, imported when it is first used. Other modules "
        "are imgfw's own affair and may change.",
        *(f"## {title}\n\n" + "\n\n".join(_name(name) for name in names) for title, names in _GROUPS),
    )


def documentation_of(name: str) -> str:
    """The docstring of a public name; empty if it has none."""
    if name in _CONSTRAINTS:
        return _CONSTRAINTS[name]
    value = getattr(imgfw, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        return inspect.getdoc(value) or ""
    home = imgfw._HOME_OF.get(name, "imgfw")
    return _attribute_docstrings(import_module(home)).get(name, "")


def _attribute_docstrings(owner: Any) -> dict[str, str]:
    """The strings that stand after assignments in a module or class."""
    body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    if inspect.isclass(owner):
        body = body[0].body  # type: ignore[attr-defined]
    return {
        name: following.value.value
        for statement, following in pairwise(body)
        if (name := _assigned_name(statement))
        and isinstance(following, ast.Expr)
        and isinstance(following.value, ast.Constant)
        and isinstance(following.value.value, str)
    }


def _assigned_name(statement: ast.stmt) -> str:
    """What a statement assigns to; empty when it is no assignment to a name."""
    if isinstance(statement, ast.AnnAssign):
        target = statement.target
    elif isinstance(statement, ast.Assign):
        target = statement.targets[0]
    else:
        return ""
    return target.id if isinstance(target, ast.Name) else ""


def _name(name: str) -> str:
    value = getattr(imgfw, name)
    parts = [f"### {name}"]
    own = inspect.isclass(value) or inspect.isfunction(value)
    if own and name not in (*_CONSTRAINTS, *_NOT_CALLED) and not _is_annotation(value):
        parts.append(markdown.block(f"imgfw.{name}{_signature(value)}", "python"))
    parts.extend(_text(parse_docstring(documentation_of(name))))
    if inspect.isclass(value) and name not in _CONSTRAINTS:
        parts.extend(_methods(value))
    return "\n\n".join(part for part in parts if part)


def _is_annotation(value: Any) -> bool:
    return getattr(value, "__module__", "") == "imgfw.contract.component"


def _text(documented: Docstring) -> Iterator[str]:
    yield documented.summary
    yield documented.body
    for section in ("Args", "Attributes"):
        entries = documented.entries.get(section, {})
        yield "\n".join(f"- `{name}`: {text}" for name, text in entries.items())
    if documented.returns:
        yield f"Returns {documented.returns}"
    raises = documented.entries.get("Raises", {})
    yield "\n".join(f"- Raises `{name}`: {text}" for name, text in raises.items())


def _methods(owner: type) -> Iterator[str]:
    """What the class itself defines and documents; of its settings-like attributes, the documented ones."""
    for name, text in _attribute_docstrings(owner).items():
        yield f"#### {owner.__name__}.{name}\n\n{' '.join(text.split())}"
    for name, value in vars(owner).items():
        function = value.__func__ if isinstance(value, classmethod) else value
        if isinstance(value, property):
            yield f"#### {owner.__name__}.{name}\n\n" + "\n\n".join(
                filter(None, _text(parse_docstring(inspect.getdoc(value) or "")))
            )
        elif inspect.isfunction(function) and not name.startswith("_") and function.__doc__:
            heading = f"#### {owner.__name__}.{name}"
            shown = markdown.block(f"{name}{_signature(function)}", "python")
            yield "\n\n".join(
                [heading, shown, *filter(None, _text(parse_docstring(inspect.getdoc(function) or "")))]
            )


class _Verbatim:
    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _signature(value: Any) -> str:
    """The signature with annotations as they were written, without `self`."""
    signature = inspect.signature(value)
    empty = inspect.Parameter.empty
    parameters = [
        item.replace(annotation=item.annotation if item.annotation is empty else _verbatim(item.annotation))
        for name, item in signature.parameters.items()
        if name not in ("self", "cls")
    ]
    returns = signature.return_annotation
    shown = (
        inspect.Signature.empty if returns in (inspect.Signature.empty, "None", None) else _verbatim(returns)
    )
    return str(signature.replace(parameters=parameters, return_annotation=shown))


def _verbatim(annotation: Any) -> _Verbatim:
    text = getattr(annotation, "__forward_arg__", annotation)
    return _Verbatim(text if isinstance(text, str) else inspect.formatannotation(text))
