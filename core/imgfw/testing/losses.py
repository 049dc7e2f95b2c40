"""What is asked of losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from imgfw.contract.loss import Weighted
from imgfw.engine.criterion import Criterion, LossValue
from imgfw.testing.samples import Batch, batch_of, copy_of, equal
from imgfw.testing.subject import NotApplicableError, Subject

_SAMPLES = 6
_SURER = 20.0
"""How many times the usual logits are, where a model is as confident as can be."""

_TOLERANCE = 1e-4


def _batches(subject: Subject) -> list[Batch]:
    return [batch_of(subject, task, _SAMPLES) for task in subject.tasks]


def _outputs(subject: Subject, batch: Batch) -> Any:
    """What the model would return in training."""
    if subject.provider.about.sums_own_losses:
        return {"classification": torch.tensor(0.75), "boxes": torch.tensor(1.5)}
    if batch.outputs is None:
        raise NotApplicableError(f"the plugin has no model for the task {batch.info.task}")
    return batch.outputs


def _value(subject: Subject, criterion: Any, outputs: Any, batch: Batch) -> LossValue:
    with subject.attempt(f"it fails on a batch of {batch.info.task}"):
        return Criterion(criterion, {})(outputs, batch.targets, len(batch.targets))


def finite(subject: Subject) -> None:
    """It returns a finite scalar, for outputs of any confidence."""
    for batch in _batches(subject):
        criterion = subject.build(batch.info)
        outputs = _outputs(subject, batch)
        tried = {"usual outputs": outputs}
        if isinstance(outputs, Tensor):
            tried["very confident outputs"] = outputs * _SURER
        if batch.perfect is not None and isinstance(batch.perfect, Tensor):
            tried["a perfect prediction"] = batch.perfect * _SURER
        for what, value in tried.items():
            mean = _value(subject, criterion, value, batch).mean
            subject.expect(
                mean.ndim == 0,
                f"it returns a tensor of shape {list(mean.shape)} on {batch.info.task}, not a scalar. "
                "Return the mean over the samples, or an imgfw.Weighted.",
            )
            subject.expect(
                bool(mean.isfinite()),
                f"it is {mean.item()} for {what} of {batch.info.task}. Compute in float32, with log_softmax "
                "or logsigmoid instead of the logarithm of a probability, and never divide by 0.",
            )


def gradient(subject: Subject) -> None:
    """It is differentiable, and leaves what it is given alone."""
    for batch in _batches(subject):
        criterion = subject.build(batch.info)
        leaves = _with_gradient(_outputs(subject, batch))
        before = copy_of((leaves, batch.targets))
        mean = _value(subject, criterion, leaves, batch).mean
        subject.expect(
            mean.requires_grad,
            f"its value on {batch.info.task} depends on no output, so nothing could be learned. It must not "
            "detach, nor go through .item(), argmax or NumPy.",
        )
        with subject.attempt(f"its gradient cannot be computed on {batch.info.task}"):
            mean.backward()  # type: ignore[no-untyped-call]
        every = [leaves] if isinstance(leaves, Tensor) else list(leaves.values())
        gradients = [leaf.grad for leaf in every if leaf.grad is not None]
        subject.expect(
            bool(gradients) and all(bool(item.isfinite().all()) for item in gradients),
            f"its gradient on {batch.info.task} is not finite.",
        )
        subject.expect(
            any(bool(item.any()) for item in gradients), f"its gradient on {batch.info.task} is 0 everywhere."
        )
        subject.expect(
            equal((leaves, batch.targets), before),
            f"it changes the outputs or targets that it is given ({batch.info.task}). Work on copies.",
        )


def _with_gradient(outputs: Any) -> Any:
    if isinstance(outputs, Tensor):
        return outputs.detach().clone().requires_grad_()
    return {name: value.detach().clone().requires_grad_() for name, value in outputs.items()}


def perfect(subject: Subject) -> None:
    """A perfect prediction costs no more than a wrong one."""
    for batch in _batches(subject):
        if not isinstance(batch.perfect, Tensor):
            raise NotApplicableError(f"the kit knows no perfect prediction of the task {batch.info.task}")
        criterion = subject.build(batch.info)
        right, wrong = (
            float(_value(subject, criterion, outputs, batch).mean) for outputs in (batch.perfect, batch.wrong)
        )
        subject.expect(
            right <= wrong + _TOLERANCE,
            f"a perfect prediction of {batch.info.task} costs {right:.4g}, a wrong one {wrong:.4g}. "
            "Training lowers it: is its sign right, and the order of outputs and targets?",
        )


def split_batches(subject: Subject) -> None:
    """A batch in parts, as micro-batches and processes see it, has the loss of the whole."""
    for batch in _batches(subject):
        criterion = subject.build(batch.info)
        outputs = _outputs(subject, batch)
        if not isinstance(outputs, Tensor):
            raise NotApplicableError("its outputs are no tensor that could be cut")
        with subject.attempt(f"it fails on a part of a batch of {batch.info.task}"):
            whole = _terms(criterion(outputs, batch.targets), _SAMPLES)
            parts = [
                _terms(criterion(outputs[start:end], batch.targets[start:end]), end - start)
                for start, end in ((0, 1), (1, _SAMPLES))
            ]
        for name, (total, weight) in whole.items():
            together = sum(part[name][0] for part in parts) / sum(part[name][1] for part in parts)
            alone = total / weight
            subject.expect(
                abs(together - alone) <= _TOLERANCE * max(1.0, abs(alone)),
                f"a batch of {batch.info.task} has the loss {alone:.5g}, its parts put together "
                f"{together:.5g}. Where samples or pixels weigh differently, return imgfw.Weighted(sum, "
                "weight); where the loss depends on the batch as a whole, state about(couples_batch=True).",
            )


def _terms(value: Any, samples: int) -> dict[str, tuple[float, float]]:
    """The sum and the weight of each term that a criterion returned."""
    if isinstance(value, Weighted):
        return {"": (float(value.sum), float(value.weight))}
    if isinstance(value, Mapping):
        named = {name: _terms(item, samples) for name, item in value.items()}
        return {f"{name}.{inner}": pair for name, terms in named.items() for inner, pair in terms.items()}
    return {"": (float(value) * samples, float(samples))}
