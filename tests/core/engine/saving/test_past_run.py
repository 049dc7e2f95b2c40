"""The best of a run: what is damaged or gone is said, and nothing else taken in its stead."""

from __future__ import annotations

import shutil

import imgfw
import pytest
from imgfw.engine.saving import checkpoint_folder
from imgfw.engine.saving.past_run import load_best
from imgfw.engine.saving.run_folder import RunFolder

from tests.core.engine.conftest import CLASSIFICATION


@pytest.fixture
def folder(train):
    """A run whose first checkpoint is the best, and the second the last."""
    folder = RunFolder(train(CLASSIFICATION, changes={"train.epochs": 2}).folder)
    checkpoint_folder.mark(folder.checkpoints, "best", folder.checkpoints / "1")
    return folder


def test_the_best_is_read_or_the_last_where_nothing_was_evaluated(folder):
    assert load_best(folder).state["progress"]["epochs_done"] == 1
    (folder.checkpoints / "best").unlink()
    assert load_best(folder).state["progress"]["epochs_done"] == 2


def test_a_best_that_is_gone_is_said(folder):
    shutil.rmtree(folder.checkpoints / "1")
    with pytest.raises(imgfw.DataError, match=r"best points at 1, which is missing.*imgfw inspect RUN"):
        load_best(folder)


def test_a_best_that_is_damaged_is_said(folder):
    (folder.checkpoints / "1" / "model.safetensors").write_bytes(b"x")
    with pytest.raises(imgfw.DataError, match=r"1/model\.safetensors is not the file.*imgfw inspect RUN"):
        load_best(folder)


def test_links_that_are_lost_are_said(folder):
    for link in ("best", "last"):
        (folder.checkpoints / link).unlink()
    with pytest.raises(imgfw.DataError, match=r"has lost its links, best and last.*imgfw inspect RUN"):
        load_best(folder)
