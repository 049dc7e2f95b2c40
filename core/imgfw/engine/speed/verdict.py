"""What a run says of its own speed: one sentence, from what its clock measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from imgfw.contract.wording import as_rate
from imgfw.engine.building import Parts, pixels_of_micro_batch
from imgfw.engine.input.loading import usable_cores
from imgfw.engine.precision import choose_precision
from imgfw.engine.speed.clock import Clock

_SHORT_STEP = 1e-3
"""Seconds; of a shorter step much is what Python and torch take to start each operation."""

_NOTABLE = 0.05
"""The least share of the time that is worth a setting."""


@dataclass(frozen=True)
class Setup:
    """What a run's speed depends on, as far as a setting can change it.

    Attributes:
        on_cpu: whether the model computes on the cores that the input works on.
        in_memory: whether whole batches come from memory, so that workers gain nothing.
        cacheable: whether decoded images could be kept, and are not.
        num_workers: processes that fetch.
        eval_in_one: whether an evaluation is one batch already.
        saves_seldom: whether fewer checkpoints would be fewer epochs than the run has.
        cores: that this process may use.
        threads: of the model's arithmetic.
        log_every: steps between two reports of the loss.
        save_every: epochs between two checkpoints.
        slower_precision: whether the recipe asks for fp32 where `auto` would have chosen bf16.
    """

    on_cpu: bool
    in_memory: bool
    cacheable: bool
    eval_in_one: bool
    saves_seldom: bool
    num_workers: int
    cores: int
    threads: int
    log_every: int
    save_every: int
    slower_precision: bool

    @classmethod
    def of(cls, parts: Parts) -> Setup:
        """The setup of a run that was built."""
        recipe, precision = parts.resolved.recipe, parts.precision
        pixels = pixels_of_micro_batch(parts.resolved, parts.data.info.image_size)
        auto = choose_precision(precision.device, "auto", "auto", parts.model, pixels)
        return cls(
            on_cpu=precision.device.type == "cpu",
            in_memory=parts.data.views.train.in_batches or recipe.loader.cache == "ram",
            cacheable=_is_cacheable(parts),
            eval_in_one=len(parts.eval_jobs("val")) == 1 if parts.data.views.val is not None else True,
            saves_seldom=2 * recipe.checkpoint.every < parts.plan.epochs,
            num_workers=parts.resolved.to_json()["loader"]["num_workers"],
            cores=usable_cores(),
            threads=torch.get_num_threads(),
            log_every=recipe.train.log_every,
            save_every=recipe.checkpoint.every,
            slower_precision=precision.name == "fp32" and auto.name == "bf16",
        )


def _is_cacheable(parts: Parts) -> bool:
    """Whether the recipe could keep images: they are read from files, and come out of fixed transforms."""
    data = parts.data
    from_files = not data.views.train.in_batches and data.task.of_whole_images
    fixed = min(data.train_pipeline.num_fixed, data.eval_pipeline.num_fixed)
    return from_files and fixed > 0 and parts.resolved.recipe.loader.cache == "none"


def verdict(clock: Clock) -> str | None:
    """One sentence: the speed, how far it was from the limit, what held it back, and what to change.

    The limit is the model's own step: what is left of the loop's time without its input and its logging. A
    GPU works on while the host prepares and logs, so there only the waiting for data is taken away.

    Args:
        clock: what was measured.

    Returns:
        the sentence; None where fewer than two steps were made.
    """
    setup = clock.setup
    if setup is None or not clock.samples:
        return None
    losses = {
        "the input": clock.waiting + (clock.feeding if setup.on_cpu else 0.0),
        "evaluation": clock.evaluating,
        "saving": clock.saving,
        "logging": clock.logging if setup.on_cpu else 0.0,
    }
    step = clock.training - losses["the input"] - losses["logging"]
    whole = clock.training + clock.evaluating + clock.saving
    worst = max(losses, key=lambda name: losses[name])
    if losses[worst] < _NOTABLE * whole:
        faster = _faster_step(setup, step / clock.steps)
        told = f"that step set the pace, with {step / whole:.0%} of the time{faster}"
    else:
        advice = _ADVICE[worst](setup, clock, step)
        told = f"{worst} held it back, with {losses[worst] / whole:.0%} of the time: {advice}"
    return (
        f"{as_rate(clock.samples / clock.training)} images/s while training, "
        f"{step / clock.training:.0%} of what the model's own step allows; {told}."
    )


def _faster_step(setup: Setup, seconds: float) -> str:
    """What could make the step itself faster; by how much, only a trial can tell."""
    if setup.slower_precision:
        return ': train.precision "auto" would compute in bf16, and imgfw tune measures the gain'
    if seconds < _SHORT_STEP:
        return (
            f": a larger loader.batch_size would share the fixed cost of steps of {seconds * 1e3:.1f} ms "
            "among more images, and imgfw bench measures the gain"
        )
    return ""


def _on_input(setup: Setup, clock: Clock, step: float) -> str:
    """More workers, as far as there are cores for them: on a CPU they share the cores with the model."""
    workers = setup.cores - 1 if setup.on_cpu else setup.cores
    if not setup.in_memory and workers > setup.num_workers:
        fetching = clock.training * setup.num_workers if setup.num_workers else clock.waiting
        shared = fetching / workers
        if setup.on_cpu:
            shared = max(shared, (step * setup.threads + fetching) / setup.cores)
        gain = _gain(clock, clock.waiting - max(shared - step, 0.0))
        if gain >= _NOTABLE:
            return f"loader.num_workers {workers} should make training {gain:.0%} faster"
    most = _gain(clock, clock.waiting + (clock.feeding if setup.on_cpu else 0.0))
    what = 'loader.cache "ram"' if setup.cacheable else "lighter transforms"
    return f"{what} could make training up to {most:.0%} faster"


def _on_evaluation(setup: Setup, clock: Clock, step: float) -> str:
    most = _gain(clock, clock.evaluating)
    if setup.eval_in_one:
        return f"fewer validation samples could make training up to {most:.0%} faster"
    return f"a larger loader.eval_batch_size could make training up to {most:.0%} faster"


def _on_saving(setup: Setup, clock: Clock, step: float) -> str:
    most = _gain(clock, clock.saving / 2)
    if not setup.saves_seldom:
        return "the run is short, and its last and best epochs are saved in any case"
    return f"checkpoint.every {2 * setup.save_every} could make training up to {most:.0%} faster"


def _on_logging(setup: Setup, clock: Clock, step: float) -> str:
    gain = _gain(clock, clock.logging * 0.9)
    return f"train.log_every {10 * setup.log_every} should make training {gain:.0%} faster"


def _gain(clock: Clock, saved: float) -> float:
    """By how much the whole becomes faster when some seconds of it are saved."""
    whole = clock.training + clock.evaluating + clock.saving
    return whole / (whole - saved) - 1


_ADVICE: dict[str, Callable[[Setup, Clock, float], str]] = {
    "the input": _on_input,
    "evaluation": _on_evaluation,
    "saving": _on_saving,
    "logging": _on_logging,
}
"""The one setting to change, with the gain that what was measured lets one expect."""
