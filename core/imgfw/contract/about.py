"""Facts about a provider that imgfw may read without building anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from imgfw.contract.dataset import DatasetDescription

if TYPE_CHECKING:
    from torch import nn

Mode = Literal["min", "max"]
Size = tuple[int, int]
P = TypeVar("P", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class About:
    """What static checks need to know of a provider.

    Every fact that is a function is given the validated settings, whose attributes are the settings' names,
    except `head`, which is given the model.

    Attributes:
        tasks: names of the tasks it works for; empty means any.
        example: settings to try it with, needed where a setting has no default.
        describe: of a dataset: what its settings tell about the data.
        results: of a metric: the names it will report and whether `max` or `min` is better.
        min_size: of a model: the smallest height and width in pixels that it can process, or a function that
            says it (None: not known).
        normalizes_input: of a model: it normalises images itself, and wants them in 0..1.
        computes_losses: of a model: in training it takes `(images, targets)` and returns a dict of losses.
        auxiliary: of a model: the weight in the loss of each auxiliary output, by its field or key.
        head: of a model: prefixes of the parameter names that `"freeze": "backbone"` leaves trainable, or a
            function that finds them in the model.
        sums_own_losses: of a loss: it sums what a model that `computes_losses` returned.
        couples_batch: of a loss: its value depends on the whole batch at once, so it cannot be accumulated.
        wants_metric: of a scheduler: it is stepped after evaluation, with the metric its `monitor` names.
        output_size: of a transform: the image size it makes of the one it gets (None: not known).
    """

    tasks: tuple[str, ...] = ()
    example: Mapping[str, Any] = field(default_factory=dict)
    describe: Callable[[Any], DatasetDescription] | None = None
    results: Callable[[Any], Mapping[str, Mode]] | None = None
    min_size: int | Callable[[Any], int | None] | None = None
    normalizes_input: bool = False
    computes_losses: bool = False
    auxiliary: Mapping[str, float] = field(default_factory=dict)
    head: tuple[str, ...] | Callable[[nn.Module], tuple[str, ...]] = ()
    sums_own_losses: bool = False
    couples_batch: bool = False
    wants_metric: bool = False
    output_size: Callable[[Size | None, Any], Size | None] | None = None

    def min_size_with(self, settings: Any) -> int | None:
        """The smallest height and width that a model can process with these settings; None: not known."""
        return self.min_size(settings) if callable(self.min_size) else self.min_size

    def head_of(self, model: nn.Module) -> tuple[str, ...]:
        """Prefixes of the names of the parameters of a model's head; empty: not known."""
        return self.head(model) if callable(self.head) else self.head


def about(**facts: Any) -> Callable[[P], P]:
    """State facts about a provider: `@imgfw.about(tasks=("segmentation",), min_size=32)`.

    Args:
        facts: fields of `imgfw.About`.

    Raises:
        TypeError: for a fact that does not exist.
    """
    stated = About(**facts)

    def attach(provider: P) -> P:
        provider.__imgfw_about__ = stated  # type: ignore[attr-defined]
        return provider

    return attach


def facts_about(provider: Callable[..., Any]) -> About:
    """The facts stated about a provider; an empty `About` when there are none."""
    stated = vars(provider).get("__imgfw_about__") if hasattr(provider, "__dict__") else None
    return stated if isinstance(stated, About) else About()
