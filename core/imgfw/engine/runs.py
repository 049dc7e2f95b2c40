"""Starting a run, going on with it, evaluating it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imgfw.catalog.catalog import Catalog
from imgfw.contract.callback import Callback
from imgfw.contract.errors import UsageError
from imgfw.engine import distributed
from imgfw.engine.building import build_parts
from imgfw.engine.console import Console, make_console
from imgfw.engine.evaluation import evaluate as evaluate_split
from imgfw.engine.input.bad_data import Quarantine
from imgfw.engine.input.data import build_data
from imgfw.engine.interruption import STOPPED_BEFORE_GOING_ON, Interruption, stoppable
from imgfw.engine.precision import choose_device
from imgfw.engine.resuming.restoring import changed_recipe, refuse, reopen, warnings_for
from imgfw.engine.saving import checkpoint
from imgfw.engine.saving.lock import only_trainer
from imgfw.engine.saving.past_run import load_best, recipe_of, statistics_of
from imgfw.engine.saving.run_folder import RunFolder
from imgfw.engine.saving.run_state import check_run_state
from imgfw.engine.session import RunResult, Session
from imgfw.recipe.checking import check
from imgfw.recipe.reading import read_recipe


def run(
    recipe: str | Path | Mapping[str, Any],
    *,
    overrides: Sequence[str] = (),
    callbacks: Sequence[Callback] = (),
    catalog: Catalog | None = None,
    quiet: bool = False,
) -> RunResult:
    """Train what a recipe says, keep the best, and test it.

    Args:
        recipe: a recipe file, or its data as a dict.
        overrides: changes, as `optimizer.lr=0.01`.
        callbacks: live callbacks, called after the recipe's. They are no part of the recipe, so a resumed run
            has none of them, and nothing of their state is saved.
        catalog: the plugins to use; by default those installed.
        quiet: print nothing.

    Raises:
        RecipeError: the recipe is wrong; everything that is wrong with it.
        DataError: the data is missing or wrong.
        PluginError: a plugin is broken or missing.
        DivergedError: the loss is not finite.
        InterruptedRun: a signal ended the run; its state was saved.
    """
    interruption = Interruption()
    with stoppable(interruption), _processes():
        source = read_recipe(recipe, overrides)
        checked = check(source, catalog or Catalog())
        console = make_console(quiet or not distributed.is_main())
        for warning in checked.warnings:
            console.line(f"warning: {warning}")
        parent = Path(checked.recipe.recipe.output_dir)
        created = RunFolder.create(parent, checked.recipe.name) if distributed.is_main() else None
        path = Path(distributed.share_text(str(created.path) if created else ""))
        folder = RunFolder(path, distributed.is_main())
        with _removed_if_stopped(folder):
            folder.write_json("recipe.json", source.raw)
            with only_trainer(path):
                return Session(
                    checked.recipe, folder, console, extra=callbacks, interruption=interruption
                ).go()


def resume(
    folder: Path | str,
    recipe: str | Path | Mapping[str, Any] | None = None,
    *,
    overrides: Sequence[str] = (),
    allow_changes: bool = False,
    catalog: Catalog | None = None,
    quiet: bool = False,
) -> RunResult:
    """Go on with a run where it was stopped, bit for bit; a finished run is left as it is.

    Args:
        folder: the run's.
        recipe: a recipe to go on with in place of the run's; docs/resuming.md has what may differ.
        overrides: changes, as `train.epochs=20`.
        allow_changes: whether the changes may change what the steps to come compute.
        catalog: the plugins to use; by default those installed.
        quiet: print nothing.

    Raises:
        DataError: no checkpoint is whole.
        UsageError: there is no run, another process trains it, or a change cannot be made.
        RecipeError: the recipe is wrong.
    """
    interruption = Interruption()
    with stoppable(interruption, STOPPED_BEFORE_GOING_ON), _processes():
        opened = RunFolder.open(folder, distributed.is_main())
        with only_trainer(opened.path):
            console = make_console(quiet or not distributed.is_main())
            with distributed.main_first():
                opened.clean_up()
            found, damaged = checkpoint.load_newest(opened.checkpoints)
            for sentence in damaged:
                console.line(f"warning: {sentence}")
            check_run_state(found)
            resolved, changes = changed_recipe(opened, recipe, overrides, catalog)
            refuse(opened.path, changes, found.state, allow_changes, resolved.model)
            if found.state["progress"]["finished"] and not reopen(opened.path, found.state, changes):
                done = _result_of(opened)
                if done is not None:
                    console.line(f"{opened.path} is finished ({done.status}); there is nothing to resume.")
                    return done
            for sentence in warnings_for(opened, resolved, changes):
                console.line(f"warning: {sentence}")
            return Session(resolved, opened, console, found, changes=changes, interruption=interruption).go()


def _result_of(folder: RunFolder) -> RunResult | None:
    """What a run that ended as it should left; None where its test is still to be done."""
    summary = folder.read_json("summary.json") if (folder.path / "summary.json").exists() else {}
    status = summary.get("status")
    return RunResult(folder.path, status, summary) if status in ("completed", "stopped") else None


def evaluate(folder: Path | str, *, split: str = "test", catalog: Catalog | None = None) -> dict[str, float]:
    """Evaluate the best model of a run.

    Args:
        folder: the run's.
        split: `test` or `val`.
        catalog: the plugins to use; by default those installed.

    Returns:
        the metrics by name, as `test/accuracy`.

    Raises:
        UsageError: the run has no such split.
    """
    with _processes():
        opened = RunFolder.open(folder, writes=False)
        resolved = recipe_of(opened, catalog)
        best = load_best(opened)
        quarantine = Quarantine(opened.quarantine, lambda sentence: None, writes=False)
        data = build_data(resolved, quarantine, statistics_of(best.state))
        if getattr(data.views, split) is None:
            raise _no_such_split(opened.path, split, data.views.val is not None)
        parts = build_parts(resolved, data, choose_device(resolved.recipe.train.device), best)
        with parts.supplied():
            return evaluate_split(parts, split, Console(quiet=True))


def _no_such_split(folder: Path, split: str, has_val: bool) -> UsageError:
    hint = f"For one in another run, set split.{split}_fraction."
    if has_val:
        hint = f"There is a val split: imgfw evaluate {folder} --split val. {hint}"
    return UsageError(f"The data of {folder} has no {split} split.", hint)


@contextmanager
def _removed_if_stopped(folder: RunFolder) -> Iterator[None]:
    """Leave no folder of a run that a signal ended before its session began."""
    try:
        yield
    except KeyboardInterrupt:
        folder.remove()
        raise


@contextmanager
def _processes() -> Iterator[None]:
    distributed.start()
    try:
        yield
    finally:
        distributed.stop()
