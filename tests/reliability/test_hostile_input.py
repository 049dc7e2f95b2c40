"""A recipe, whoever wrote it, is answered with sentences; it runs no code and writes in its run only."""

from __future__ import annotations

import os
import re
import runpy
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .hostile_recipes import ALL, check_hostile_recipes
from .mutated_recipes import check_mutated_recipes
from .trials import problems_of
from .watching import Watch, in_child, trusted_code


@pytest.fixture(autouse=True)
def _torch_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another framework, imported by another test, lets torch load NVIDIA's library to look for GPUs."""
    monkeypatch.delenv("PYTORCH_NVML_BASED_CUDA_CHECK", raising=False)


def test_mutated_recipes_are_answered_with_sentences() -> None:
    trials = check_mutated_recipes(300, seed=4)
    assert problems_of(trials) == []
    assert len(trials) == 300


def test_hostile_recipes_are_refused() -> None:
    trials = check_hostile_recipes()
    assert problems_of(trials) == []
    assert len(trials) == sum(map(len, ALL.values())) >= 60


def _run_a_file(folder: Path) -> None:
    runpy.run_path(str(folder / "evil.py"))


def _connect(folder: Path) -> None:
    socket.socket(socket.AF_UNIX).connect_ex(str(folder / "socket"))


@pytest.mark.parametrize(
    ("harm", "noted"),
    [
        (lambda folder: (folder / "new").write_text("x"), "open to write .*/new"),
        (lambda folder: (folder / "evil.py").rename(folder / "new"), "os.rename .*/evil.py"),
        (lambda folder: (folder / "evil.py").unlink(), "os.remove .*/evil.py"),
        (lambda folder: (folder / "link").symlink_to("evil.py"), "os.symlink .*"),
        (_run_a_file, "runs .*/evil.py"),
        (lambda folder: subprocess.run([sys.executable, "-c", ""]), "subprocess.Popen"),
        (lambda folder: os.system("true"), "os.system"),
        (_connect, "socket.connect"),
    ],
    ids=["write", "rename", "remove", "link", "run", "process", "shell", "network"],
)  # fmt: skip
def test_the_watch_sees_harm(tmp_path: Path, harm: Callable[[Path], object], noted: str) -> None:
    (tmp_path / "evil.py").write_text("harm = True\n")
    (tmp_path / "runs").mkdir()

    def work() -> list[str]:
        watch = Watch([tmp_path / "runs"], trusted_code())
        watch.on = True
        (tmp_path / "runs" / "metrics.csv").write_text("allowed")
        harm(tmp_path)
        watch.on = False
        return watch.seen

    first, *_ = in_child(work)
    assert re.match(noted, first)
