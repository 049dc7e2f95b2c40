"""The offline runs that `wandb sync` would send, read from their transaction logs."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imgfw
import pytest
from wandb.proto.wandb_internal_pb2 import Record

from .conftest import Kill, Train
from .rows import curves_of

_FILE_HEADER, _CHUNK_HEADER, _BLOCK = 7, 7, 32768


def records_of(log: Path) -> Iterator[Record]:
    """The records of a transaction log, which has the layout of LevelDB's: chunks in blocks of 32 KiB."""
    data, position, record = log.read_bytes(), _FILE_HEADER, b""
    while position + _CHUNK_HEADER <= len(data):
        left = _BLOCK - position % _BLOCK
        if left < _CHUNK_HEADER:
            position += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        position += _CHUNK_HEADER
        record += data[position : position + length]
        position += length
        if position > len(data):  # it is being written
            return
        if kind in (1, 4):  # a whole record, or the last chunk of one
            yield Record.FromString(record)
            record = b""


def finished(log: Path) -> list[Record]:
    """The records, once wandb's own process has written the last; it does so after `finish` has returned."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        records = list(records_of(log))
        if records and records[-1].HasField("exit"):
            return records
        time.sleep(0.02)
    raise AssertionError(f"{log} has no end")


def logs_of(folder: Path) -> list[Path]:
    return sorted((folder / "wandb").glob("offline-run-*/*.wandb"), key=lambda file: file.stat().st_mtime_ns)


def read(log: Path) -> tuple[str, dict[str, Any], dict[str, dict[int, float]], dict[str, Any]]:
    """The run's id, its configuration, its curves and its summary."""
    run_id, config, curves, summary = "", {}, {}, {}
    for record in finished(log):
        if record.HasField("run"):
            run_id = record.run.run_id
            config |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
        elif record.HasField("history"):
            row = {
                item.key or "/".join(item.nested_key): json.loads(item.value_json)
                for item in record.history.item
            }
            for name, value in row.items():
                curves.setdefault(name, {})[row["_step"]] = value
        elif record.HasField("summary"):
            for item in record.summary.update:
                summary[item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
    return run_id, config, curves, summary


def test_an_offline_run_holds_the_history_the_configuration_and_the_results(train: Train) -> None:
    result = train({"type": "wandb", "project": "digits"})
    (log,) = logs_of(result.folder)
    _, config, curves, summary = read(log)
    recorded = curves_of(result.folder)
    for name in ("train/loss", "lr", "val/loss", "val/accuracy"):
        assert curves[name] == pytest.approx(recorded[name])
    assert config["model"]["width"] == 4
    assert config["run_folder"] == str(result.folder)
    assert summary["test/accuracy"] == result.summary["test"]["test/accuracy"]
    assert summary["best/val/accuracy"] == result.summary["best"]["val/accuracy"]
    assert summary["imgfw_status"] == "completed"


def test_a_resumed_run_has_the_same_id_and_the_steps_that_were_missing(train: Train, runs: Path) -> None:
    with pytest.raises(imgfw.InterruptedRun):
        train({"type": "wandb"}, Kill(step=3))
    (folder,) = runs.iterdir()
    imgfw.resume(folder, quiet=True)
    first, second = (read(log) for log in logs_of(folder))
    assert first[0] == second[0]
    assert first[2]["train/loss"] | second[2]["train/loss"] == pytest.approx(curves_of(folder)["train/loss"])
    assert not first[2]["train/loss"].keys() & second[2]["train/loss"].keys()


def test_a_disabled_one_writes_nothing(train: Train) -> None:
    assert logs_of(train({"type": "wandb", "mode": "disabled"}).folder) == []
