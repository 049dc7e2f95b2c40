"""Finding a recipe's fastest settings on this machine, by trial."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from imgfw.catalog.catalog import Catalog
from imgfw.contract.errors import ImgfwError, UsageError
from imgfw.engine.building import Parts, build_parts
from imgfw.engine.console import Console
from imgfw.engine.cpu_formats import has_bf16
from imgfw.engine.input.bad_data import Quarantine
from imgfw.engine.input.caching import cache_images
from imgfw.engine.input.data import Data, build_data
from imgfw.engine.input.loading import usable_cores
from imgfw.engine.precision import choose_device
from imgfw.engine.saving.files import write_atomically
from imgfw.engine.speed.bare_step import BareStep
from imgfw.engine.speed.live_windows import settling_steps
from imgfw.engine.speed.measuring import Rate, Window, interleave, window_of
from imgfw.engine.temporary import nothing_kept
from imgfw.recipe.checking import check
from imgfw.recipe.reading import read_recipe

FORMAT = 1
"""Of the JSON; a change that breaks its readers raises it."""

_WINDOWS = 3
"""Of each variant in each stage."""

_TIE = 0.98
"""What a recipe says already is kept where it reaches this share of the best: less is noise."""

_SHARES = {"step": 0.6, "input": 0.4}
"""Of the budget: for the number formats of the step, then for the workers that feed it."""

_SHARES_WITH_DECODING = {"step": 0.5, "input": 0.3, "decoding": 0.2}
"""The same where the GPU could decode the images."""

_ON_DEVICE = {"loader.decode": "device"}

Settings = Mapping[str, Any]
"""Values by their paths in the recipe, as `train.precision`."""


@dataclass(frozen=True)
class Trial:
    """One variant, as it was timed in the last stage that it reached.

    Attributes:
        question: what was asked: `step`, `input` or `decoding`.
        settings: what differs between the variants.
        rate: images a second.
        stage: from 1; each halves the variants.
    """

    question: str
    settings: Settings
    rate: Rate
    stage: int

    def to_json(self) -> dict[str, Any]:
        """What `tune --json` prints of it."""
        rate = self.rate.to_json()
        return {"question": self.question, "settings": dict(self.settings), "stage": self.stage, **rate}


@dataclass
class Tuned:
    """What was found.

    Attributes:
        trials: every variant, the fastest of each question first.
        chosen: the settings that the new recipe holds.
        out: where it is.
    """

    trials: list[Trial] = field(default_factory=list)
    chosen: dict[str, Any] = field(default_factory=dict)
    out: Path = Path()

    def to_json(self) -> dict[str, Any]:
        """What `tune --json` prints."""
        trials = [trial.to_json() for trial in self.trials]
        return {"format": FORMAT, "trials": trials, "chosen": self.chosen, "out": str(self.out)}


@nothing_kept("The search")
def tune(
    recipe: Path,
    *,
    out: Path,
    budget: float,
    catalog: Catalog,
    say: Callable[[str], None] = lambda text: None,
) -> Tuned:
    """Time number formats, workers and where images are decoded; write the recipe with the fastest of them.

    The effective batch stays as it is: where it doesn't fit the GPU's memory, it is cut into micro-batches.

    Args:
        recipe: the recipe's file.
        out: where the new recipe goes; in the same folder, since paths in a recipe are relative to it.
        budget: seconds that the windows may take together; building and warming up come on top.
        catalog: the plugins to use.
        say: told how the work goes.

    Raises:
        UsageError: `out` exists, is in another folder, or is called other than JSON.
        ImgfwError: the recipe cannot be run; as `imgfw run` would say.
        InterruptedRun: a signal came.
    """
    if out.absolute().parent != recipe.absolute().parent:
        message = f"{out} is not beside {recipe}, whose paths are relative to its folder."
        raise UsageError(message, f"Write --out {recipe.with_name(out.name)}.")
    if out.suffix != ".json":
        raise UsageError(f"{out} would hold JSON.", f"Call it {out.with_suffix('.json').name}.")
    if out.exists():
        raise UsageError(f"{out} exists already.", "Name another file with --out.")
    workbench = Workbench(recipe, catalog)
    tuned = Tuned(out=out)
    tuned.chosen = workbench.fit()
    shares = _SHARES_WITH_DECODING if workbench.may_decode_on_device() else _SHARES
    for question, share in shares.items():
        trials = workbench.answer(question, tuned.chosen, share * budget, say)
        tuned.trials += trials
        tuned.chosen |= trials[0].settings
    _write(recipe, tuned.chosen, out)
    return tuned


class Workbench:
    """The recipe's data, read once, and its training, built anew for each variant.

    Args:
        recipe: the recipe's file.
        catalog: the plugins.
    """

    def __init__(self, recipe: Path, catalog: Catalog) -> None:
        self._recipe = recipe
        self._catalog = catalog
        resolved = check(read_recipe(recipe), catalog).recipe
        self.device = choose_device(resolved.recipe.train.device)
        self._data: Data = build_data(resolved, Quarantine())
        self.own = build_parts(resolved, self._data, self.device).resolved.to_json()

    def parts(self, settings: Settings) -> Parts:
        """The training with some settings."""
        changes = [f"{path}={json.dumps(value)}" for path, value in settings.items()]
        resolved = check(read_recipe(self._recipe, changes), self._catalog).recipe
        parts = build_parts(resolved, self._data, self.device)
        cache_images(parts, Console(quiet=True))
        return parts

    def fit(self) -> dict[str, Any]:
        """The fewest micro-batches that a batch must be cut into for the GPU's memory; nothing on a CPU."""
        if self.device.type != "cuda":
            return {}
        accumulate = 1
        while accumulate <= self.own["loader"]["batch_size"]:
            settings = {"train.accumulate": accumulate}
            if self._fits(settings):
                return settings
            accumulate *= 2
        raise UsageError("Not even one sample at a time fits the GPU's memory.", "Choose a smaller model.")

    def may_decode_on_device(self) -> bool:
        """Whether there is a GPU that could decode the images; a CPU would do it in line, to no avail."""
        if self.device.type != "cuda":
            return False
        try:
            self.parts({**_ON_DEVICE, "loader.num_workers": 0})
        except ImgfwError:
            return False
        return True

    def _fits(self, settings: Settings) -> bool:
        try:
            BareStep.on_resident(self.parts({**settings, "loader.num_workers": 0}))()
        except torch.OutOfMemoryError:
            return False
        return True

    def answer(
        self, question: str, chosen: Settings, budget: float, say: Callable[[str], None]
    ) -> list[Trial]:
        """Time a question's variants with what is chosen already: the fastest first."""
        with ExitStack() as workers:
            windows, named, own = self._prepared(question, chosen, say, workers)
            halved = halve(windows, own, budget, lambda text: say(f"{question}: {text}"))
        return [Trial(question, named[label], rate, stage) for label, rate, stage in halved]

    def _prepared(
        self, question: str, chosen: Settings, say: Callable[[str], None], workers: ExitStack
    ) -> tuple[dict[str, Window], dict[str, Settings], str]:
        """The windows of what can be timed, all settings, both by label, and the label of the recipe's own.

        Args:
            question: what is asked.
            chosen: what is chosen already.
            say: told what is prepared, and what cannot be.
            workers: ends the data workers that were started, when it is closed.
        """
        variants = {"step": self._formats, "input": self._workers, "decoding": self._decoders}[question]()
        own = {path: value for path, value in self._own_values().items() if path in variants[0]}
        windows: dict[str, Window] = {}
        named = {label_of(settings): settings for settings in [own, *variants]}
        for label, settings in named.items():
            say(f"{question}: preparing {label}")
            try:
                windows[label] = self._window(question, {**chosen, **settings}, workers)
            except torch.OutOfMemoryError:
                say(f"{question}: {label} does not fit the GPU's memory")
            except RuntimeError as error:
                if not settings.get("train.compile"):
                    raise
                reason = str(error).strip().partition("\n")[0]
                say(f"{question}: {label} cannot be compiled: {reason}")
        return windows, named, label_of(own)

    def _own_values(self) -> dict[str, Any]:
        """The recipe's own values by path, `auto` settled."""
        sections = ("train", "loader")
        return {f"{name}.{key}": value for name in sections for key, value in self.own[name].items()}

    def _window(self, question: str, settings: Settings, workers: ExitStack) -> Window:
        """What is timed of a variant; it has worked once already."""
        if question == "step":
            step, settle = BareStep.on_resident(self.parts({**settings, "loader.num_workers": 0})), 1
        else:
            parts = self.parts(settings)
            workers.enter_context(parts.supplied())
            step, settle = BareStep.on_delivered(parts), settling_steps(parts.resolved.to_json())
        window = window_of(step, self.device, settle)
        window(0.0)
        return window

    def _workers(self) -> list[Settings]:
        cores = usable_cores()
        counts = {0, 1, 2, 4, 8, cores - 1, cores}
        return [{"loader.num_workers": count} for count in sorted(counts) if count <= min(cores, 16)]

    def _decoders(self) -> list[Settings]:
        return [{"loader.decode": "cpu"}, _ON_DEVICE]

    def _formats(self) -> list[Settings]:
        """Precisions that the device has, with both memory formats, and on a GPU compiled, without and with
        CUDA graphs: in channels last alone, since compiling takes long, and mostly chooses formats itself.
        """
        if self.device.type == "cuda":
            bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
            precisions = ["bf16", "fp16"] if bf16 else ["fp16", "fp32"]
            ways = [(True, False), (False, False), (True, True), (True, "reduce-overhead")]
        else:
            precisions = ["bf16", "fp32"] if has_bf16() else ["fp32"]
            ways = [(True, False), (False, False)]
        return [
            {"train.precision": precision, "train.channels_last": last, "train.compile": compile_}
            for precision in precisions
            for last, compile_ in ways
        ]


def label_of(settings: Settings) -> str:
    """Settings as a table shows them, as `precision bf16, channels_last true`."""
    return ", ".join(f"{path.partition('.')[2]} {_shown(value)}" for path, value in settings.items())


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def halve(
    windows: Mapping[str, Window], own: str, budget: float, say: Callable[[str], None]
) -> list[tuple[str, Rate, int]]:
    """Time all, drop the slower half, time the others for longer, until two were compared.

    Returns:
        name, rate and last stage of each: the fastest first.
    """
    stages = max(math.ceil(math.log2(len(windows))), 1)
    alive, results = list(windows), list[tuple[str, Rate, int]]()
    for stage in range(1, stages + 1):
        seconds = budget / (stages * len(alive) * _WINDOWS)
        say(f"stage {stage} of {stages}, {len(alive)} variants for {seconds:.2g} s each time")
        measured = interleave({name: windows[name] for name in alive}, _WINDOWS, seconds)
        rates = {name: Rate.of(values) for name, values in measured.items()}
        ranked = sorted(alive, key=lambda name: -rates[name].median * (1 / _TIE if name == own else 1))
        alive = ranked[: math.ceil(len(ranked) / 2)]
        done = ranked if stage == stages else ranked[len(alive) :]
        results = [(name, rates[name], stage) for name in done] + results
    return results


def _write(recipe: Path, chosen: Settings, out: Path) -> None:
    """Write the recipe with explicit values, in its own order."""
    changes = [f"{path}={json.dumps(value)}" for path, value in sorted(chosen.items())]
    data = read_recipe(recipe, changes).raw
    write_atomically(out, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
