"""What a run says of itself: the first lines, the last lines, and summary.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from imgfw.contract.wording import rounded_rate
from imgfw.engine.progress import Progress
from imgfw.engine.speed.clock import Clock
from imgfw.engine.speed.verdict import verdict

if TYPE_CHECKING:
    from imgfw.engine.building import Parts
    from imgfw.recipe.resolving import ResolvedRecipe

FORMAT = 1
"""Of summary.json; a change that breaks its readers raises it."""


def start_lines(resolved: ResolvedRecipe, parts: Parts) -> list[str]:
    """What is trained on what, and what `auto` became."""
    views, info = parts.data.views, parts.data.info
    present = [view for view in (views.train, views.val, views.test) if view is not None]
    counts = ", ".join(f"{len(view):,} {view.name}" for view in present)
    size = "x".join(map(str, (info.channels, *info.image_size))) if info.image_size else "of any size"
    numbers = sum(parameter.numel() for parameter in parts.model.parameters())
    lines = [
        f"data     {resolved.data.provider.name}: {counts}; {info.num_classes} classes, images {size}",
        f"model    {resolved.model.provider.name}: {numbers:,} parameters",
    ]
    settled = ", ".join(f"{path} {value}" for path, value in sorted(resolved.auto.items()))
    return [*lines, f"auto     {settled}"] if settled else lines


def summarize(
    progress: Progress, clock: Clock, status: str, reason: str | None, test: Mapping[str, float]
) -> dict[str, Any]:
    """What summary.json holds."""
    best = progress.best
    return {
        "format": FORMAT,
        "status": status,
        "stop_reason": reason,
        "epochs": progress.epochs_done,
        "steps": progress.step,
        "best": {"epoch": best.epoch, **best.metrics} if best else None,
        "test": dict(test),
        "throughput": rounded_rate(clock.samples / clock.training) if clock.training else None,
        "verdict": verdict(clock),
    }


def end_lines(summary: Mapping[str, Any]) -> list[str]:
    """The best epoch, the test, and what held the training back."""
    lines = []
    best = summary["best"]
    if best is not None:
        shown = "  ".join(f"{name} {value:.4f}" for name, value in best.items() if name != "epoch")
        lines.append(f"best     epoch {best['epoch']}: {shown}")
    lines += [f"{name} {value:.4f}" for name, value in summary["test"].items()]
    return [*lines, summary["verdict"]] if summary["verdict"] else lines
