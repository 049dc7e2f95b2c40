"""Running a recipe in a test, and keeping tests off the network."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from imgfw.testing import RunOutcome
from imgfw.testing.network import NetworkBlockedError

pytest_plugins = ["imgfw.testing.fixtures"]

RunRecipe = Callable[..., RunOutcome]

RECIPE: dict[str, Any] = {
    "data": {"type": "shapes", "image_size": 16, "num_train": 16, "num_val": 4, "num_test": 4},
    "model": {"type": "resnet9", "width": 2},
    "loader": {"batch_size": 8, "num_workers": 0},
    "train": {"epochs": 1, "device": "cpu"},
}


def test_a_run_is_described_by_its_outcome(imgfw_run: RunRecipe, tmp_path: Path) -> None:
    outcome = imgfw_run(RECIPE, train={"epochs": 2})
    assert outcome.exit_code == 0
    assert [row["epoch"] for row in outcome.metrics] == [1, 2]
    assert isinstance(outcome.metrics[-1]["val/accuracy"], float)
    assert outcome.summary["status"] == "completed" and outcome.summary["steps"] == 4
    assert outcome.folder is not None and tmp_path in outcome.folder.parents
    assert "epoch 2/2" in outcome.output


def test_changes_are_merged_into_a_part_or_take_its_place(imgfw_run: RunRecipe) -> None:
    first = imgfw_run(RECIPE, name="changed", model={"type": "alexnet"})
    assert "images are 16x16 pixels, but alexnet needs" in first.output
    second = imgfw_run(RECIPE, loader={"batch_size": 4}, name="changed")
    assert second.folder is not None and second.folder.name == "changed"
    assert second.summary["steps"] == 4
    assert RECIPE["loader"]["batch_size"] == 8


def test_a_wrong_recipe_is_an_outcome_too(imgfw_run: RunRecipe) -> None:
    outcome = imgfw_run(RECIPE, optimizer={"type": "sgd", "lr": -1})
    assert (outcome.exit_code, outcome.folder, outcome.metrics, outcome.summary) == (2, None, [], {})
    assert "optimizer.lr" in outcome.output and outcome.output.startswith("error:")


def test_divergence_is_an_outcome_with_a_folder(imgfw_run: RunRecipe) -> None:
    outcome = imgfw_run(RECIPE, optimizer={"type": "sgd", "lr": 1e30}, train={"epochs": 3})
    assert outcome.exit_code == 5
    assert outcome.summary["status"] == "diverged"


def test_other_machines_cannot_be_reached(no_network: None) -> None:
    with pytest.raises(NetworkBlockedError, match="must not use the network, but something connects to 192"):
        socket.create_connection(("192.0.2.1", 80), timeout=0.1)
    with pytest.raises(NetworkBlockedError, match=r"example\.org"):
        socket.getaddrinfo("example.org", 80)


def test_this_machine_can_be_reached(no_network: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=1).close()
    ends = socket.socketpair()
    assert ends[0].send(b"x") == 1
    for end in ends:
        end.close()
