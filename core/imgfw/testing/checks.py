"""Every check: what it asks, and what it is asked of."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from imgfw.catalog.provider import Provider
from imgfw.contract.callback import Callback
from imgfw.contract.transform import Transform
from imgfw.testing.tasks_tried import tasks_of

if TYPE_CHECKING:
    from imgfw.testing.subject import Subject

Applies = Callable[[Provider], bool]

_FUNCTIONS = {"pickle": "pickle_"}
"""Functions that cannot be called as their check is."""


def _always(provider: Provider) -> bool:
    return True


@dataclass(frozen=True)
class Check:
    """Something that the contract asks of providers.

    Attributes:
        kind: of which kind of component; empty: of all.
        name: its name, that of its function too.
        asks: what it asks, as the end of a sentence that begins with "It".
        module: where its function is, in this package; the kind's name by default.
        applies: of which providers of the kind.
        builds: whether the provider is built for it.
    """

    kind: str
    name: str
    asks: str
    module: str = ""
    applies: Applies = _always
    builds: bool = True

    def applies_to(self, provider: Provider, other_tasks: Container[str]) -> bool:
        """Whether a provider is asked this.

        Args:
            provider: the provider.
            other_tasks: tasks whose targets the author makes.
        """
        if self.kind not in ("", provider.kind.name) or not self.applies(provider):
            return False
        return not self.builds or provider.kind.name == "datasets" or bool(tasks_of(provider, other_tasks))

    def function(self) -> Callable[[Subject], None]:
        """What checks it; its module is imported now."""
        module = import_module(f"imgfw.testing.{self.module or self.kind}")
        found: Callable[[Subject], None] = getattr(module, _FUNCTIONS.get(self.name, self.name))
        return found


def _is_no_sum_of_own(provider: Provider) -> bool:
    return not provider.about.sums_own_losses


def _has_parts(provider: Provider) -> bool:
    return _is_no_sum_of_own(provider) and not provider.about.couples_batch


def _describes(provider: Provider) -> bool:
    return provider.about.describe is not None


def _may_move(provider: Provider) -> bool:
    """Whether a transform may be given masks or boxes, and mixes no samples."""
    tasks = provider.about.tasks
    return not _mixes(provider) and (not tasks or "segmentation" in tasks or "detection" in tasks)


def _mixes(provider: Provider) -> bool:
    return bool(getattr(provider.factory, "num_partners", 0))


def _may_have_two_stages(provider: Provider) -> bool:
    """Whether a transform may have both stages: for a function that cannot be told before it is called."""
    factory: Any = provider.factory
    if not (inspect.isclass(factory) and issubclass(factory, Transform)):
        return True
    return factory.apply is not Transform.apply and factory.apply_batch is not Transform.apply_batch


def _may_warp(provider: Provider) -> bool:
    """Whether a transform may say that it is an affine map; of a function, see above."""
    factory: Any = provider.factory
    is_transform = inspect.isclass(factory) and issubclass(factory, Transform)
    return not is_transform or factory.warp is not Transform.warp


def _may_have_state(provider: Provider) -> bool:
    factory: Any = provider.factory
    is_callback = inspect.isclass(factory) and issubclass(factory, Callback)
    return not is_callback or factory.state_dict is not Callback.state_dict


CHECKS: tuple[Check, ...] = (
    Check("", "docstring", "has a docstring whose first line describes it", "general", builds=False),
    Check(
        "",
        "settings",
        "has a schema that refuses unknown settings and wrong types, and comes back from JSON as it was",
        "general",
        builds=False,
    ),
    Check("", "builds", "can be built with its defaults, or with its example", "general"),
    Check("models", "backward", "gives every parameter that is trained a finite gradient"),
    Check("models", "batch_of_one", "takes one image in evaluation mode and returns what the task wants"),
    Check("models", "grey", "takes images of one channel, or refuses them when it is built"),
    Check("models", "state_dict", "saves all that its outputs depend on, and takes it back"),
    Check("losses", "finite", "returns a finite scalar, for confident outputs too"),
    Check("losses", "gradient", "is differentiable, and changes neither outputs nor targets"),
    Check(
        "losses",
        "perfect",
        "is no higher for a perfect prediction than for a wrong one",
        "",
        _is_no_sum_of_own,
    ),
    Check(
        "losses", "split_batches", "is the same for a batch and for its parts put together", "", _has_parts
    ),
    Check("optimizers", "quadratic", "lowers a quadratic function"),
    Check("optimizers", "state_dict", "goes on from its saved state as if it had never stopped"),
    Check(
        "schedulers", "total_steps", "covers a run's steps, not one less, with finite rates not below zero"
    ),
    Check("schedulers", "state_dict", "goes on from its saved state with the same rates"),
    Check("transforms", "deterministic", "depends on a sample's keys and on nothing else"),
    Check("transforms", "stages", "makes the same of a sample and of a batch", "", _may_have_two_stages),
    Check("transforms", "warp", "does to images what its warp says", "", _may_warp),
    Check("transforms", "in_step", "moves image, mask and boxes together", "", _may_move),
    Check(
        "transforms", "sizes", "takes colour and grey images of odd sizes, and makes the size that it states"
    ),
    Check("transforms", "in_place", "leaves the images and targets that it is given as they are"),
    Check("datasets", "length", "returns splits that have samples"),
    Check("datasets", "info", "has images and targets that are what its info says"),
    Check("datasets", "describe", "describes from its settings what the data then is", "", _describes),
    Check("datasets", "pickle", "can be sent to worker processes"),
    Check("datasets", "repeatable", "returns the same sample for the same index"),
    Check("datasets", "batches", "returns the same samples one by one and in batches"),
    Check("metrics", "results", "reports the names that it states, as numbers"),
    Check("metrics", "merge", "has the same value for one pass and for processes that saw a part each"),
    Check("callbacks", "two_epochs", "survives a run of two epochs"),
    Check("callbacks", "state_dict", "takes its saved state back", "", _may_have_state),
    Check("tasks", "batch", "collates good targets, finds nothing wrong with them, and has defaults"),
    Check("tasks", "records", "turns a model's outputs into predictions and JSON records"),
)
"""In the order in which they run."""
