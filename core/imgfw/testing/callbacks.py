"""What is asked of callbacks."""

from __future__ import annotations

from typing import Any

from imgfw.engine import runs
from imgfw.engine.saving import checkpoint
from imgfw.engine.saving.state import encode
from imgfw.engine.session import RunResult
from imgfw.testing.samples import equal, info_of
from imgfw.testing.subject import NotApplicableError, Subject

_MODELS: dict[str, Any] = {
    "classification": {"type": "imgfw/resnet9", "width": 2},
    "segmentation": {"type": "imgfw/unet", "width": 2, "depth": 1},
}


def _recipe(subject: Subject) -> dict[str, Any]:
    """Two epochs on a few drawn images, with the callback."""
    task = next((name for name in subject.tasks if name in _MODELS), None)
    if task is None:
        raise NotApplicableError(f"the kit has no small run of {', '.join(subject.tasks)}")
    return {
        "name": "conformance",
        "data": {
            "type": "imgfw/shapes",
            "task": task,
            "image_size": 16,
            "num_train": 16,
            "num_val": 8,
            "num_test": 8,
        },
        "model": _MODELS[task],
        "loader": {"batch_size": 8, "num_workers": 0},
        "train": {"epochs": 2, "device": "cpu", "log_every": 1},
        "callbacks": [{"type": subject.provider.qualified, **subject.settings}],
        "output_dir": str(subject.folder / "runs"),
    }


def _run(subject: Subject) -> RunResult:
    subject.node  # noqa: B018 (its own message, where the settings are refused)
    hint = "Name what such a run measures, as val/loss or val/accuracy, in its example or in settings={…}."
    with subject.attempt("a run of two epochs with it fails", hint):
        return runs.run(_recipe(subject), catalog=subject.catalog, quiet=True)


def two_epochs(subject: Subject) -> None:
    """A run of two epochs with it comes to its end."""
    result = _run(subject)
    subject.expect(
        result.status in ("completed", "stopped"), f"a run with it ends as {result.status}, not completed."
    )


def state_dict(subject: Subject) -> None:
    """Its state, saved by a run, is taken back by another."""
    saved = checkpoint.load((_run(subject).folder / "checkpoints" / "last").resolve()).state["callbacks"][0]
    fresh = subject.build(info_of(subject.tasks[0]))
    with subject.attempt("load_state_dict fails on its saved state"):
        fresh.load_state_dict(saved)
        again = fresh.state_dict()
    before, after = encode(saved), encode(again)
    subject.expect(
        before[0] == after[0] and equal(before[1], after[1]),
        f"it saved {saved}, but after load_state_dict its state is {again}: a resumed run would go on "
        "from there.",
    )
