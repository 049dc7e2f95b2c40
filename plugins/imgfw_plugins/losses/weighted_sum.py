"""Several losses at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from imgfw import Ge, Len, Loss, Weighted, about

if TYPE_CHECKING:
    from torch import Tensor


@about(example={"terms": ["cross_entropy", "focal"], "weights": [1.0, 0.5]})
class WeightedSum:
    """Several losses, each times its weight, summed; each is reported by its name.

    Args:
        terms: the losses.
        weights: one factor a term, in their order; 1 each when left out.

    Raises:
        ValueError: when there are not as many weights as terms.
    """

    def __init__(
        self,
        *,
        terms: Annotated[list[Loss], Len(1)],
        weights: list[Annotated[float, Ge(0)]] | None = None,
    ) -> None:
        if weights is not None and len(weights) != len(terms):
            raise ValueError(f"weights has {len(weights)} values, but there are {len(terms)} terms")
        self._factors = weights or [1.0] * len(terms)
        self._terms = dict(zip(_unique([_name(term) for term in terms]), terms, strict=True))

    def __call__(self, outputs: Any, targets: Any) -> dict[str, Tensor | Weighted]:
        """Each term times its weight, by name; a term's own sum and weight stay apart."""
        return {
            name: _scaled(value, factor)
            for (term_name, term), factor in zip(self._terms.items(), self._factors, strict=True)
            for name, value in _named(term_name, term(outputs, targets))
        }


def _name(criterion: Any) -> str:
    """A criterion's own name, in snake case."""
    name = getattr(criterion, "__name__", type(criterion).__name__)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _unique(names: list[str]) -> list[str]:
    """Number the second and later ones of equal names: `dice`, `dice_2`."""
    earlier = [names[:i].count(name) for i, name in enumerate(names)]
    return [f"{name}_{count + 1}" if count else name for name, count in zip(names, earlier, strict=True)]


def _named(name: str, value: Any) -> Iterator[tuple[str, Tensor | Weighted]]:
    """What a criterion returned, one loss at a time; a term of several has `term.part` as names."""
    if isinstance(value, dict):
        for part, loss in value.items():
            yield f"{name}.{part}", loss
    else:
        yield name, value


def _scaled(loss: Tensor | Weighted, factor: float) -> Tensor | Weighted:
    if isinstance(loss, Weighted):
        return Weighted(loss.sum * factor, loss.weight)
    return loss * factor
