"""Starting a run, going on with it, evaluating it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imgfw.catalog.catalog import Catalog
from imgfw.contract.callback import Callback
from imgfw.contract.errors import UsageError
from imgfw.engine import checkpoint, distributed
from imgfw.engine.building import build_parts
from imgfw.engine.console import Console, make_console
from imgfw.engine.data import build_data
from imgfw.engine.evaluation import evaluate as evaluate_split
from imgfw.engine.past_run import best_folder, recipe_of, statistics_of
from imgfw.engine.precision import choose_device
from imgfw.engine.run_folder import RunFolder
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
    source = read_recipe(recipe, overrides)
    checked = check(source, catalog or Catalog())
    with _processes():
        console = make_console(quiet or not distributed.is_main())
        for warning in checked.warnings:
            console.line(f"warning: {warning}")
        parent = Path(checked.recipe.recipe.output_dir)
        created = RunFolder.create(parent, checked.recipe.name) if distributed.is_main() else None
        path = Path(distributed.share_text(str(created.path) if created else ""))
        folder = RunFolder(path, distributed.is_main())
        folder.write_json("recipe.json", source.raw)
        return Session(checked.recipe, folder, console, extra=callbacks).go()


def resume(folder: Path | str, *, catalog: Catalog | None = None, quiet: bool = False) -> RunResult:
    """Go on with a run where it was stopped, bit for bit; a finished run is left as it is.

    Args:
        folder: the run's.
        catalog: the plugins to use; by default those installed.
        quiet: print nothing.

    Raises:
        DataError: no checkpoint is whole.
    """
    with _processes():
        opened = RunFolder.open(folder, distributed.is_main())
        console = make_console(quiet or not distributed.is_main())
        resolved = recipe_of(opened, catalog)
        found, damaged = checkpoint.load_newest(opened.checkpoints)
        for sentence in damaged:
            console.line(f"warning: {sentence}")
        if found.state["progress"]["finished"] and (opened.path / "summary.json").exists():
            summary = opened.read_json("summary.json")
            if summary["status"] in ("completed", "stopped"):
                console.line(f"{opened.path} is finished ({summary['status']}); there is nothing to resume.")
                return RunResult(opened.path, summary["status"], summary)
        return Session(resolved, opened, console, found).go()


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
        best = checkpoint.load(best_folder(opened))
        data = build_data(resolved, opened.quarantine, statistics_of(best.state))
        if getattr(data.views, split) is None:
            raise UsageError(f"The data of {opened.path} has no {split} split.", "Set split.test_fraction.")
        parts = build_parts(resolved, data, choose_device(resolved.recipe.train.device), best)
        return evaluate_split(parts, split, Console(quiet=True))


@contextmanager
def _processes() -> Iterator[None]:
    distributed.start()
    try:
        yield
    finally:
        distributed.stop()
