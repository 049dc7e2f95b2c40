"""Optuna's samplers and pruners by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from imgfw import UsageError

from imgfw_plugin_optuna.space import Space

if TYPE_CHECKING:
    import optuna

SamplerName = Literal["tpe", "random", "grid"]
PrunerName = Literal["median", "hyperband", "none"]


def choose_sampler(
    name: SamplerName, space: Space, seed: int | None, trials: int
) -> optuna.samplers.BaseSampler:
    """A sampler for a study that has some trials already: it draws other values than it did for those.

    Raises:
        UsageError: a grid was asked for, but a range has no end of values.
    """
    from optuna import samplers

    if name == "grid":
        return samplers.GridSampler(_grid(space), seed=seed)
    kinds = {"tpe": samplers.TPESampler, "random": samplers.RandomSampler}
    return kinds[name](seed=None if seed is None else seed + trials)


def _grid(space: Space) -> dict[str, list[Any]]:
    grid = {path: parameter.stored_values() for path, parameter in space.items()}
    endless = [path for path, values in grid.items() if values is None]
    if endless:
        raise UsageError(f"A grid has no place for all of {endless[0]}.", 'Give it a "step" or "choices".')
    return grid


def choose_pruner(name: PrunerName) -> optuna.pruners.BasePruner:
    """A pruner."""
    from optuna import pruners

    kinds = {"median": pruners.MedianPruner, "hyperband": pruners.HyperbandPruner, "none": pruners.NopPruner}
    return kinds[name]()
