"""Run folders whose files were forged: whoever can write files can write their hashes too."""

from __future__ import annotations

import json

import imgfw
import pytest
from imgfw.engine import runs
from imgfw.engine.saving.checkpoint_folder import manifest_text

from tests.core.engine.conftest import CLASSIFICATION


@pytest.fixture
def forge(train):
    """A run, its last state changed by a function, with hashes that are right."""

    def change(how):
        folder = train(CLASSIFICATION, changes={"train.epochs": 1}).folder
        last = (folder / "checkpoints" / "last").resolve()
        document = json.loads((last / "state.json").read_text())
        how(document["state"])
        (last / "state.json").write_text(json.dumps(document))
        (last / "manifest.json").write_text(manifest_text(last))
        return folder

    return change


FORGERIES = {
    "without its progress": lambda state: state.pop("progress"),
    "at a step below zero": lambda state: state["progress"].update(step=-1),
    "with text for a step": lambda state: state["progress"].update(step="5"),
    "with a best without an epoch": lambda state: state["progress"].update(best={"value": 1.0}),
    "with more than there is": lambda state: state.update(extra=1),
    "without classes": lambda state: state["info"].pop("classes"),
    "with classes that are numbers": lambda state: state["info"].update(classes=[1, 2]),
    "with half the statistics": lambda state: state["statistics"].pop("std"),
    "without what it was built from": lambda state: state.pop("built_from"),
    "with epochs of no steps": lambda state: state["built_from"]["plan"].update(steps_per_epoch=0),
    "with generators of another kind": lambda state: state["generators"].update(torch=[1]),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_state_that_no_run_has_is_refused(forge, forgery):
    folder = forge(FORGERIES[forgery])
    for use in (runs.resume, runs.evaluate, imgfw.load):
        with pytest.raises(imgfw.DataError, match=r"checkpoints/1 holds no state of a run: \w+"):
            use(folder)


@pytest.mark.parametrize(
    "how",
    [
        lambda state: state["optimizer"].pop("param_groups"),
        lambda state: state["schedule"].update(rates="fast"),
        lambda state: state["generators"].update(python={"$": "tuple", "items": [3, [], None]}),
    ],
    ids=["optimizer", "schedule", "generators"],
)
def test_a_state_that_its_part_does_not_take_is_refused(forge, how):
    def unfinished(state):
        state["progress"]["finished"] = False
        how(state)

    folder = forge(unfinished)
    with pytest.raises(imgfw.DataError, match="does not fit the run's parts"):
        runs.resume(folder, quiet=True)


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "{", "\udcff"])
def test_a_summary_that_imgfw_did_not_write_is_refused(train, text):
    folder = train(CLASSIFICATION, changes={"train.epochs": 1}).folder
    (folder / "summary.json").write_text(text, errors="surrogateescape")
    with pytest.raises(imgfw.DataError, match=r"summary\.json"):
        runs.resume(folder, quiet=True)


def test_a_strange_description_of_the_machine_is_said(train, stop_at, capsys):
    stop_at(4)
    with pytest.raises(imgfw.InterruptedRun) as stopped:
        train(CLASSIFICATION)
    stop_at(0)
    folder = stopped.value.hint.rpartition("--resume ")[2]
    (runs.RunFolder.open(folder).path / "environment.json").write_text('{"packages": 1}')
    runs.resume(folder)
    assert "environment.json, which tells where the run was trained, is not as" in capsys.readouterr().out
