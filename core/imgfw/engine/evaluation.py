"""Evaluation: every sample of a split once, into the metrics and the loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from imgfw.contract.callback import EvalBatch
from imgfw.contract.errors import PluginError
from imgfw.engine import distributed
from imgfw.engine.criterion import split_outputs
from imgfw.engine.memory import is_out_of_memory, out_of_memory_in_evaluation

if TYPE_CHECKING:
    from imgfw.engine.building import Parts
    from imgfw.engine.console import Console
    from imgfw.engine.input.loading import RawBatch

    OnBatch = Callable[[EvalBatch], None]


class StoppedEvaluationError(Exception):
    """A signal came while evaluating; the evaluation has no result."""


def evaluate(
    parts: Parts,
    split: str,
    console: Console,
    on_batch: OnBatch | None = None,
    stop_requested: Callable[[], bool] = lambda: False,
) -> dict[str, float]:
    """Evaluate the model as it is on a split; it is left in evaluation mode.

    Args:
        parts: the run's parts.
        split: `val` or `test`.
        console: where the progress is shown.
        on_batch: called with every batch.
        stop_requested: asked after every batch.

    Returns:
        the metrics by name, as `val/accuracy`; the loss among them, unless the model computes its own.

    Raises:
        StoppedEvaluationError: it was asked to stop.
        UsageError: a batch does not fit into memory.
    """
    jobs = parts.eval_jobs(split)
    totals = torch.zeros(2, dtype=torch.float64, device=parts.precision.device)
    for _, metric in parts.metrics:
        metric.reset()
    distributed.share_buffers(parts.evaluated)  # what the main process saves is what all of them evaluate
    parts.evaluated.eval()
    console.begin(split, 0, len(jobs))
    with torch.inference_mode():
        for number, raw in enumerate(parts.eval_feeder.ahead(parts.eval_loaders[split].run(jobs)), 1):
            try:
                parts.eval_feeder.complete(raw)
                parts.data.policy.handle(raw.bad)
                batch = _evaluate_batch(parts, split, raw, totals) if len(raw.indices) else None
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                raise out_of_memory_in_evaluation(split, len(raw.indices)) from error
            if batch is not None and on_batch is not None:
                on_batch(batch)
            console.advance(number)
            if stop_requested():
                console.end()
                raise StoppedEvaluationError
    console.end()
    results = {}
    if not parts.computes_losses:
        loss_sum, weight = distributed.sum_over_processes(totals).tolist()
        results[f"{split}/loss"] = loss_sum / weight if weight else float("nan")
    for node, metric in parts.metrics:
        results |= {f"{split}/{name}": value for name, value in _values(node, metric.compute()).items()}
    return results


def _evaluate_batch(parts: Parts, split: str, raw: RawBatch, totals: Tensor) -> EvalBatch:
    """Add a batch to the metrics and, where the model leaves it to a criterion, its loss to the totals."""
    task, about = parts.data.task, parts.resolved.model.provider.about
    batch = parts.eval_feeder.prepare(raw)
    with parts.precision.autocast():
        outputs = parts.evaluated(batch.images)
    if not parts.computes_losses:
        loss = parts.criterion(outputs, batch.targets, len(batch))
        totals[0] += loss.sum
        totals[1] += loss.weight
    predictions = task.predictions(split_outputs(outputs, about.auxiliary)[0])
    for _, metric in parts.metrics:
        task.update_metric(metric, predictions, batch.targets)
    return EvalBatch(split, batch.images, batch.targets, predictions)


def _values(node: Any, computed: Any) -> dict[str, float]:
    """What a metric computed, by the names that it said it would report."""
    results = node.provider.about.results
    names = list(results(node.settings)) if results is not None else [node.provider.name]
    if not isinstance(computed, dict):
        computed = {names[0]: computed}
    missing = [name for name in names if name not in computed]
    if missing:
        raise PluginError(f"{node.path}: {node.provider.qualified} did not report {missing[0]}.")
    return {name: float(computed[name]) for name in names}
