"""What is asked of models."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from imgfw.contract.dataset import DatasetInfo
from imgfw.contract.errors import ImgfwError
from imgfw.engine.criterion import split_outputs
from imgfw.engine.generators import seed_all
from imgfw.engine.parameters import set_training
from imgfw.engine.saving import checkpoint
from imgfw.testing.samples import batch_of, equal, images_of, info_of, task_of, tensors_in
from imgfw.testing.subject import Subject

_SIZES = (32, 64, 96, 128, 224)
"""Heights and widths that a model is tried with: the first that it takes."""

_LEAST_FOR_BOXES = 64
_STEPS = 3


def build_model(
    subject: Subject, task: str, channels: int = 3, seed: int = 0
) -> tuple[nn.Module, DatasetInfo]:
    """Build a model for the smallest images that are sensible and that it takes."""
    stated = subject.provider.about.min_size_with(subject.node.settings) or 1
    least = max(stated, _LEAST_FOR_BOXES if task == "detection" else 1)
    sizes = [size for size in _SIZES if size >= least] or [least]
    for size in sizes:
        info = info_of(task, channels, (size, size))
        seed_all(seed)
        try:
            return subject.make(info), info
        except ImgfwError:
            if size == sizes[-1]:
                break
    return subject.build(info), info


def backward(subject: Subject) -> None:
    """A training step on each of its tasks gives every parameter that is trained a finite gradient."""
    for task in subject.tasks:
        model, info = build_model(subject, task)
        set_training(model)
        for _ in range(_STEPS):  # a model that drops layers may leave some out of a step
            _training_loss(subject, model, info).backward()  # type: ignore[no-untyped-call]
            if all(item.grad is not None for item in model.parameters() if item.requires_grad):
                break
        trained = {name: item for name, item in model.named_parameters() if item.requires_grad}
        subject.expect(bool(trained), "it has no parameter to train.")
        missing = [name for name, parameter in trained.items() if parameter.grad is None]
        subject.expect(
            not missing,
            f"{_listed(missing)} got no gradient from a training step ({task}). Remove what forward doesn't "
            "use, or freeze it with requires_grad_(False); state auxiliary outputs with about(auxiliary=…).",
        )
        wrong = [
            name
            for name, parameter in trained.items()
            if parameter.grad is not None and not parameter.grad.isfinite().all()
        ]
        subject.expect(
            not wrong, f"the gradient of {_listed(wrong)} is not finite after one step on noise ({task})."
        )


def _training_loss(subject: Subject, model: nn.Module, info: DatasetInfo) -> Tensor:
    """Everything that a model returns in training, summed with random weights, or its own losses."""
    assert info.image_size is not None
    images = images_of(info, 2).float() / 255
    about = subject.provider.about
    shape = f"[2, {info.channels}, {info.image_size[0]}, {info.image_size[1]}]"
    hint = f"It has to take images {shape}; state larger ones with about(min_size=…)."
    with subject.attempt(f"a training step fails ({info.task})", hint):
        if about.computes_losses:
            losses = model(images, batch_of(subject, info.task, 2, info.image_size).targets)
            subject.expect(
                isinstance(losses, dict) and bool(losses),
                f"it states computes_losses, but returns {type(losses).__name__} in training, not a dict of "
                "losses.",
            )
            return torch.stack([loss.float() for loss in losses.values()]).sum()
        main, others = split_outputs(model(images), about.auxiliary)
    subject.expect(
        bool(tensors_in(main)),
        f"it returns {type(main).__name__} in training; a model returns a tensor, a named tuple whose first "
        "field is the main output, or a dict with the main output under `out`.",
    )
    absent = sorted(set(about.auxiliary) - set(others))
    subject.expect(not absent, f"it states the auxiliary output {_listed(absent)}, but returns none.")
    return _weighted_sum([*tensors_in(main), *tensors_in(list(others.values()))])


def _weighted_sum(outputs: list[Tensor]) -> Tensor:
    floats = [output.float() for output in outputs if output.is_floating_point()]
    return torch.stack([(output * torch.randn_like(output)).sum() for output in floats]).sum()


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def batch_of_one(subject: Subject) -> None:
    """In evaluation mode it takes a single image, and returns what the task wants."""
    for task_name in subject.tasks:
        model, info = build_model(subject, task_name)
        _evaluate(subject, model, info, "for one image")


def grey(subject: Subject) -> None:
    """It takes images of one channel, or says when it is built that it doesn't."""
    info = info_of(subject.tasks[0], channels=1)
    try:
        model, info = build_model(subject, subject.tasks[0], channels=1)
    except AssertionError as error:
        if isinstance(error.__cause__, ImgfwError):
            return  # it refuses them, with its own words
        raise
    _evaluate(subject, model, info, "for a grey image, though it was built with info.channels 1")


def _evaluate(subject: Subject, model: nn.Module, info: DatasetInfo, what: str) -> Any:
    model.eval()
    with subject.attempt(f"evaluation fails {what} ({info.task})"), torch.inference_mode():
        outputs, _ = split_outputs(model(images_of(info, 1).float() / 255), subject.provider.about.auxiliary)
        task = task_of(subject, info)
        wrong = task.check_outputs(outputs)
        predictions = task.predictions(outputs)
    subject.expect(not wrong, f"{wrong} ({info.task}). Use info.num_classes.")
    finite = all(item.isfinite().all() for item in tensors_in(predictions) if item.is_floating_point())
    subject.expect(finite, f"its predictions {what} are not finite ({info.task}).")
    return outputs


def state_dict(subject: Subject) -> None:
    """Weights that were saved make a second build's outputs the same."""
    task = subject.tasks[0]
    first, info = build_model(subject, task)
    _disturb(subject, first, info)
    state = first.state_dict()
    odd = [name for name, value in state.items() if not isinstance(value, Tensor)]
    subject.expect(
        not odd, f"its state_dict holds {_listed(odd)}, which is no tensor. A model is saved without pickle."
    )
    with subject.attempt("its weights cannot be saved and read again"):
        checkpoint.save(subject.folder / "checkpoint", state, {})
        second, _ = build_model(subject, task, seed=1)
        checkpoint.restore_weights(second, checkpoint.load(subject.folder / "checkpoint").model)
    outputs = []
    for model in (first, second):
        seed_all(0)
        outputs.append(_evaluate(subject, model, info, "for one image"))
    subject.expect(
        equal(outputs[0], outputs[1]),
        "with the weights of another build it gives other outputs, so a saved model would not be the one "
        "that was trained. Keep what the outputs depend on in parameters and buffers (register_buffer).",
    )


def _disturb(subject: Subject, model: nn.Module, info: DatasetInfo) -> None:
    """Move every weight and running average, so that none is what the constructor made."""
    set_training(model)
    with torch.no_grad():
        if not subject.provider.about.computes_losses:
            with subject.attempt("a forward pass in training mode fails"):
                model(images_of(info, 2).float() / 255)
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
