"""timm's names of models: what they mean, and what a wrong one was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence with the names that are spelled most like one; empty if none is."""
    close = difflib.get_close_matches(name, list(known), n=3)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def check_model(setting: str, name: str) -> Any:
    """The configuration that timm keeps of a model.

    Args:
        setting: the setting that holds the name, for messages.
        name: an architecture, as `resnet18`, or one with the tag of its weights, as `resnet18.a1_in1k`.

    Raises:
        ValueError: there is no such model; the message holds the names most like it.
    """
    import timm
    from timm.models import get_pretrained_cfg

    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        hint = nearest(architecture, timm.list_models()) or "; timm.list_models() lists them all"
        raise ValueError(f'{setting}: timm has no model "{architecture}"{hint}')
    tags = _tags(architecture)
    if tag and tag not in tags:
        listed = f"its weights are {', '.join(tags)}" if tags else "timm has no weights for it"
        raise ValueError(f'{setting}: {architecture} has no weights "{tag}"; {listed}')
    return get_pretrained_cfg(name)


def _tags(architecture: str) -> list[str]:
    import timm

    return [name.partition(".")[2] for name in timm.list_pretrained(f"{architecture}.*")]


def classifier_names(config: Any) -> tuple[str, ...]:
    """The names of a model's last layers, those that depend on the number of classes."""
    return (config,) if isinstance(config, str) else tuple(config or ())
