"""What is asked of tasks."""

from __future__ import annotations

import json
from typing import Any

from imgfw.catalog.catalog import NoSuchComponentError
from imgfw.testing.samples import batch_of
from imgfw.testing.subject import NotApplicableError, Subject

_SAMPLES = 4


def batch(subject: Subject) -> None:
    """Good targets are collated and found to be right; its defaults exist."""
    made = batch_of(subject, subject.provider.name, _SAMPLES)
    with subject.attempt("check() fails on good targets"):
        wrong = made.task.check(made.targets)
    subject.expect(not wrong, f"check() finds good targets wrong: {wrong[0][1] if wrong else ''}.")
    defaults = [("metrics", name) for name in made.task.default_metrics]
    if made.task.default_loss:
        defaults.append(("losses", made.task.default_loss))
    for kind, name in defaults:
        try:
            subject.catalog.find(kind, name)
        except NoSuchComponentError as error:
            raise subject.fail(f"its default is missing: {error}") from error


def records(subject: Subject) -> None:
    """A model's outputs become predictions, and those a JSON record an image."""
    made = batch_of(subject, subject.provider.name, _SAMPLES)
    if made.outputs is None:
        raise NotApplicableError("the plugin has no model for it")
    with subject.attempt("it fails on a model's outputs"):
        wrong = made.task.check_outputs(made.outputs)
        found = made.task.records(made.task.predictions(made.outputs))
    subject.expect(not wrong, f"check_outputs refuses good outputs: {wrong}.")
    subject.expect(
        isinstance(found, list) and len(found) == _SAMPLES,
        f"records() returns {len(found)} records for {_SAMPLES} images. Return one dict an image.",
    )
    hint = (
        "Tensors are allowed under keys that end in _tensor; all else is numbers, strings, lists and dicts."
    )
    for record in found:
        with subject.attempt("a record cannot be written as JSON", hint):
            json.dumps(_without_tensors(record))


def _without_tensors(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if not name.endswith("_tensor")}
