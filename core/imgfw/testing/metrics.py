"""What is asked of metrics."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from imgfw.testing.samples import Batch, batch_of
from imgfw.testing.subject import NotApplicableError, Subject

_SAMPLES = 20
_FIRST_PART = 12
_TOLERANCE = 1e-4


def _batch(subject: Subject, task: str) -> Batch:
    batch = batch_of(subject, task, _SAMPLES)
    if batch.outputs is None:
        raise NotApplicableError(f"the plugin has no model for the task {task}")
    batch.outputs = batch.task.predictions(batch.outputs)
    return batch


def _fed(subject: Subject, metric: Metric, batch: Batch, parts: list[slice]) -> Metric:
    """A metric that saw parts of a batch."""
    for part in parts:
        with subject.attempt(f"it fails on a batch of {batch.info.task}"):
            batch.task.update_metric(metric, batch.outputs[part], batch.targets[part])
    return metric


def _values(subject: Subject, metric: Metric) -> dict[str, float]:
    """What it computes, by the names that it states."""
    stated = subject.provider.about.results
    if stated is None:
        names, said = [subject.provider.name], "it states no about(results=…)"
    else:
        names = list(stated(subject.node.settings))
        said = f"about(results=…) states {', '.join(names) or 'nothing'}"
    with subject.attempt("compute() fails"):
        computed: Any = metric.compute()
    if not isinstance(computed, dict):
        subject.expect(len(names) == 1, f"{said}, but compute() returns one value.")
        computed = {names[0]: computed}
    subject.expect(
        set(computed) == set(names),
        f"{said}, but compute() reports {', '.join(computed)}. `imgfw check` verifies a recipe's monitor by "
        "what is stated.",
    )
    odd = [name for name, value in computed.items() if isinstance(value, Tensor) and value.numel() != 1]
    subject.expect(not odd, f"{', '.join(odd)} is no scalar. Report one number a name.")
    return {name: float(value) for name, value in computed.items()}


def results(subject: Subject) -> None:
    """It reports the names that it states, and forgets everything when it is reset."""
    stated = subject.provider.about.results
    modes = {} if stated is None else dict(stated(subject.node.settings))
    odd = [name for name, mode in modes.items() if mode not in ("min", "max")]
    subject.expect(not odd, f'about(results=…) must say "min" or "max" for {", ".join(odd)}.')
    for task in subject.tasks:
        batch = _batch(subject, task)
        metric = subject.build(batch.info)
        subject.expect(
            isinstance(metric, Metric), f"it returns {type(metric).__name__}, not a torchmetrics.Metric."
        )
        first = _values(subject, _fed(subject, metric, batch, [slice(None)]))
        _fed(subject, metric, batch, [slice(0, 3)])
        metric.reset()
        again = _values(subject, _fed(subject, metric, batch, [slice(None)]))
        subject.expect(
            _agree(first, again),
            f"after reset() the same data gives {again}, not {first}. Keep what it collects in add_state(…).",
        )


def merge(subject: Subject) -> None:
    """In batches of any size, and in processes that each saw a part, it has the value of one pass."""
    for task in subject.tasks:
        batch = _batch(subject, task)
        whole = _values(subject, _fed(subject, subject.build(batch.info), batch, [slice(None)]))
        cuts = [slice(0, 7), slice(7, _FIRST_PART), slice(_FIRST_PART, None)]
        in_batches = _values(subject, _fed(subject, subject.build(batch.info), batch, cuts))
        subject.expect(
            _agree(whole, in_batches),
            f"one pass over {task} gives {whole}, the same in three batches {in_batches}. "
            "Collect sums and counts, not means of batches.",
        )
        first = _fed(subject, subject.build(batch.info), batch, cuts[:2])
        second = _fed(subject, subject.build(batch.info), batch, cuts[2:])
        with subject.attempt("its states cannot be merged as processes would merge them"):
            _join(first, second)
        merged = _values(subject, first)
        subject.expect(
            _agree(whole, merged),
            f"one pass over {task} gives {whole}, two processes that saw a part each {merged}. Keep all that "
            'it collects in add_state(…, dist_reduce_fx="sum") (or "cat"), and divide in compute().',
        )


def _agree(first: dict[str, float], second: dict[str, float]) -> bool:
    left, right = (torch.tensor([values[name] for name in first]) for values in (first, second))
    return torch.allclose(left, right, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True)


def _join(first: Metric, second: Metric) -> None:
    """Let `first.compute()` gather the states of both, by torchmetrics' own code, as if in two processes."""
    theirs = {name: _states(metric) for name, metric in _metrics_in(second)}
    for name, metric in _metrics_in(first):
        waiting = theirs[name]
        metric.dist_sync_fn = lambda state, group=None, waiting=waiting: [state, waiting.pop(0)]
        metric.distributed_available_fn = lambda: True


def _states(metric: Metric) -> list[Tensor]:
    """What a metric would send to other processes, in its order."""
    sent: list[Tensor] = []

    def send(state: Tensor, group: Any = None) -> list[Tensor]:
        sent.append(state)
        return [state]

    metric.sync(dist_sync_fn=send, distributed_available=lambda: True)
    return sent


def _metrics_in(metric: Metric) -> list[tuple[str, Metric]]:
    """A metric and those within it."""
    return [(name, module) for name, module in metric.named_modules() if isinstance(module, Metric)]
