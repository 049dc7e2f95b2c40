"""`imgfw bench` and `imgfw tune`: what they print."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from imgfw.cli.bench import show
from imgfw.engine.speed.bench import Measured

TINY = {
    "model": {"type": "resnet9", "width": 2},
    "loader": {"batch_size": 64, "num_workers": 0},
    "train": {"epochs": 1, "device": "cpu"},
}


def test_bench_prints_json_alone_on_stdout(imgfw, write_recipe):
    words = ["--rounds", "1", "--seconds", "0.01", "--steps", "1", "--json"]
    result = imgfw("bench", write_recipe(**TINY), *words)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["raw"] is None
    assert "warming up" in result.stderr
    assert result.stderr.endswith("a whole process of 1 step\n")


def test_bench_prints_tables(capsys):
    rates = {
        "sol": [1000.0, 1200.0, 800.0],
        "loader": [9000.0, 9000.0, 9000.0],
        "run": [900.0] * 3,
        "raw": [90.5] * 3,
    }
    settings = {"device": "NVIDIA H100", "precision": "bf16"}
    measured = Measured(rates, wall=80.25, wall_steps=1500, settings=settings, host_syncs=0.01)
    measured.peak_memory, measured.utilization = 2**30, 0.405
    show(measured.to_json())
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == "SOL     1,000     800..1,200  the model's own step on resident batches"
    assert lines[2] == "LOADER  9,000                 what the input delivers to nobody"
    assert lines[5].startswith("WALL    80.2")
    assert "a whole process of 1,500 steps" in lines[5]
    assert [line.split("  ")[0] for line in lines[8:]] == [
        "RUN / LIMIT",
        "RUN / SOL",
        "RUN / RAW",
        "host syncs a step",
        "peak memory",
        "MFU",
        "with",
    ]
    assert lines[8].endswith("0.900")
    assert lines[10].endswith("9.94")
    assert lines[12].endswith("1 GiB")
    assert lines[13].endswith("40.5%")
    assert lines[14].endswith("device NVIDIA H100, precision bf16")


def test_tune_writes_beside_the_recipe_and_says_what(imgfw, write_recipe, monkeypatch):
    monkeypatch.setattr("imgfw.engine.speed.tuning.usable_cores", lambda: 1)
    recipe = write_recipe(**TINY)
    result = imgfw("tune", recipe, "--budget-seconds", "0.1")
    assert result.exit_code == 0, result.output
    tuned = recipe.with_name("recipe.tuned.json")
    assert json.loads(tuned.read_text())["train"]["precision"] in ("fp32", "bf16")
    last = result.stdout.splitlines()[-1]
    assert last.startswith(f"{tuned} holds precision ")
    assert json.loads(tuned.read_text())["loader"]["num_workers"] == int(last.rpartition(" ")[2])


@pytest.mark.parametrize("verb", ["bench", "tune"])
def test_a_wrong_recipe_is_refused_as_by_run(verb, imgfw, write_recipe):
    result = imgfw(verb, write_recipe(model="nonesuch"))
    assert result.exit_code == 2
    assert 'there is no model "nonesuch"' in result.stderr


def test_a_bench_that_is_stopped_leaves_nothing(write_recipe, tmp_path):
    recipe, temporary = write_recipe(**TINY), tmp_path / "temporary"
    temporary.mkdir()
    words = ["--rounds", "1", "--seconds", "0.01", "--steps", "1000000"]
    environment = os.environ | {"TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "imgfw", "bench", str(recipe), *words]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    ) as bench:
        said = next(line for line in bench.stderr if line.startswith("a whole process"))
        while bench.poll() is None and not list(temporary.glob("imgfw-bench-*/*-2/checkpoints")):
            time.sleep(0.01)
        bench.send_signal(signal.SIGTERM)
        rest = bench.stderr.read()
    assert bench.returncode == 143, said + rest
    assert "The measurement was stopped; nothing of it is kept." in rest
    assert not list(temporary.glob("imgfw-*"))


@pytest.mark.parametrize("option", [("bench", "--seconds"), ("tune", "--budget-seconds")])
@pytest.mark.parametrize("value", ["nan", "inf", "0", "-1"])
def test_a_time_that_is_none_is_refused(option, value, imgfw, write_recipe):
    verb, name = option
    result = imgfw(verb, write_recipe(), name, value)
    assert result.exit_code == 2
    assert name in result.stderr and value in result.stderr
