"""Which tasks a provider is tried on."""

from __future__ import annotations

from collections.abc import Container

from imgfw.catalog.provider import Provider

KNOWN = ("classification", "multilabel", "segmentation", "detection")
"""The tasks that the kit makes samples of."""


def tasks_of(provider: Provider, others: Container[str]) -> tuple[str, ...]:
    """The tasks that a provider is tried on: those it states, as far as samples can be made of them.

    Args:
        provider: the provider. One that states no tasks is tried on classification, a transform on all.
        others: tasks whose targets the author makes.
    """
    kind, stated = provider.kind.name, provider.about.tasks
    if kind == "tasks":
        stated = (provider.name,)
    if not stated:
        stated = KNOWN if kind == "transforms" else ("classification",)
    if kind == "models" and not provider.about.computes_losses:
        return stated  # it is given images only
    return tuple(task for task in stated if task in KNOWN or task in others)
