"""The kinds of component: which hook provides each, and what imgfw offers to its providers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Kind:
    """One kind of component.

    Attributes:
        name: the plural noun that commands and listings use, as `models`.
        singular: as `model`.
        hook: the hook that returns providers of this kind.
        offered: the parameters before the star that a provider may ask for by name.
        reserved: settings that the core reads itself, over any provider of this kind.
    """

    name: str
    singular: str
    hook: str
    offered: tuple[str, ...] = ("info",)
    reserved: tuple[str, ...] = ()


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind("tasks", "task", "imgfw_tasks"),
            Kind("datasets", "dataset", "imgfw_datasets", offered=()),
            Kind("transforms", "transform", "imgfw_transforms", offered=("info", "statistics")),
            Kind("models", "model", "imgfw_models", reserved=("freeze",)),
            Kind("losses", "loss", "imgfw_losses", offered=("info", "model")),
            Kind(
                "optimizers",
                "optimizer",
                "imgfw_optimizers",
                offered=("info", "parameters", "model"),
                reserved=("decay_norm_and_bias",),
            ),
            Kind(
                "schedulers",
                "scheduler",
                "imgfw_schedulers",
                offered=("info", "optimizer", "plan"),
                reserved=("warmup_epochs", "warmup_steps", "warmup_factor"),
            ),
            Kind("metrics", "metric", "imgfw_metrics"),
            Kind("callbacks", "callback", "imgfw_callbacks"),
        )
    }
)
"""Every kind by its plural name."""
