"""What a run left in its folder, for those who go on with it or use its model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from imgfw.catalog.catalog import Catalog
from imgfw.contract.dataset import ChannelStatistics
from imgfw.contract.errors import DataError, ImgfwError
from imgfw.engine.saving.checkpoint import Checkpoint, load
from imgfw.engine.saving.checkpoint_folder import DamagedCheckpointError, ordered
from imgfw.engine.saving.run_folder import RunFolder
from imgfw.engine.saving.run_state import check_run_state
from imgfw.recipe.checking import check
from imgfw.recipe.reading import Source, read_recipe
from imgfw.recipe.resolving import ResolvedRecipe

_MEND_BEST = (
    "Put it back from a copy, or let the link `best` point at another checkpoint: "
    "imgfw inspect RUN tells which are whole."
)


def best_folder(folder: RunFolder) -> Path:
    """The best checkpoint of a run, or the last where nothing was evaluated.

    Raises:
        DataError: what was the best is not there any more.
        ImgfwError: there is none yet.
    """
    for link in ("best", "last"):
        place = folder.checkpoints / link
        if place.exists():
            return place.resolve()
        if place.is_symlink():
            raise DataError(f"{place} points at {place.readlink()}, which is missing.", _MEND_BEST)
    if ordered(folder.checkpoints):
        raise DataError(f"{folder.checkpoints} has lost its links, best and last.", _MEND_BEST)
    raise ImgfwError(f"{folder.path} holds no checkpoint yet.", "Let the run finish an epoch first.")


def load_best(folder: RunFolder) -> Checkpoint:
    """Read the best checkpoint of a run, or the last where nothing was evaluated.

    Raises:
        DataError: it is damaged or missing.
        ImgfwError: there is none yet.
    """
    try:
        best = load(best_folder(folder))
    except DamagedCheckpointError as error:
        raise DataError(error.message, _MEND_BEST) from error
    check_run_state(best)
    return best


def recipe_of(folder: RunFolder, catalog: Catalog | None) -> ResolvedRecipe:
    """The resolved recipe of a run, checked against the plugins there are now."""
    return check(source_of(folder), catalog or Catalog(), trains=False).recipe


def source_of(folder: RunFolder, overrides: Sequence[str] = ()) -> Source:
    """The resolved recipe of a run as it stands in its folder, changed as `--set` says."""
    return replace(read_recipe(folder.path / "recipe.resolved.json", overrides), any_plugin_file=True)


def statistics_of(state: Mapping[str, Any]) -> ChannelStatistics | None:
    """What was measured on the training data, by a checkpoint's state."""
    measured = state["statistics"]
    return ChannelStatistics(**measured) if measured is not None else None
