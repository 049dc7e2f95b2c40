"""Making provider functions from tables: many models that differ in a name and a few settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from imgfw import Interval

if TYPE_CHECKING:
    from imgfw import DatasetInfo
    from torch import nn

Build = Callable[["DatasetInfo", dict[str, Any]], "nn.Module"]
Share = Annotated[float, Interval(ge=0, lt=1)]


@dataclass(frozen=True)
class Setting:
    """One setting of a generated provider.

    Attributes:
        name: as in the recipe.
        annotation: the type that validates it.
        default: its value where the recipe gives none.
        doc: one line for the docstring.
    """

    name: str
    annotation: Any
    default: Any
    doc: str


def pretrained_setting(
    names: Sequence[str], name: str = "pretrained", doc: str = "weights to start from"
) -> Setting:
    """The setting that says which weights to start from.

    Args:
        names: names of the weights that torchvision publishes.
        name: of the setting.
        doc: what the weights are.
    """
    listed = ", ".join(f'"{each}"' for each in names)
    return Setting(
        name,
        bool | Literal[tuple(names)] | Path,
        False,
        f"{doc}: true for the default, {listed}, or a .safetensors, .pth or .pt file; false for none.",
    )


def make_provider(
    *,
    name: str,
    module: str,
    summary: str,
    notes: Sequence[str],
    settings: Sequence[Setting],
    build: Build,
) -> Callable[..., Any]:
    """Make a provider function `name(info, *, ...)` that is documented and inspected like a written one.

    Args:
        name: of the function and of the component.
        module: name of the module that owns the function.
        summary: first line of its docstring.
        notes: paragraphs that follow the settings.
        settings: its keyword-only parameters.
        build: called with the data's info and a dict with a value for every setting.
    """
    signature = Signature(
        [
            Parameter("info", Parameter.POSITIONAL_OR_KEYWORD, annotation="DatasetInfo"),
            *(
                Parameter(each.name, Parameter.KEYWORD_ONLY, default=each.default, annotation=each.annotation)
                for each in settings
            ),
        ],
        return_annotation="nn.Module",
    )

    def provider(*args: Any, **kwargs: Any) -> nn.Module:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        values = dict(bound.arguments)
        return build(values.pop("info"), values)

    provider.__name__ = provider.__qualname__ = name
    provider.__module__ = module
    provider.__doc__ = _docstring(summary, notes, settings)
    provider.__signature__ = signature  # type: ignore[attr-defined]
    provider.__annotations__ = _annotations(signature)
    return provider


def _annotations(signature: Signature) -> Mapping[str, Any]:
    named = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    return {**named, "return": signature.return_annotation}


def _docstring(summary: str, notes: Sequence[str], settings: Sequence[Setting]) -> str:
    arguments = ["Args:", "    info: what is known of the data."]
    arguments += [f"    {each.name}: {each.doc}" for each in settings]
    return "\n\n".join([summary, "\n".join(arguments), *notes]) + "\n"
