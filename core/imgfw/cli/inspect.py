"""`imgfw inspect`: what is in a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from imgfw.cli.options import FILE, json_option
from imgfw.cli.output import print_json, print_table
from imgfw.contract.errors import DataError


@click.command()
@click.argument("checkpoint", type=FILE)
@click.option("--tensors", is_flag=True, help="List every tensor too.")
@json_option
def inspect(checkpoint: Path, tensors: bool, as_json: bool) -> None:
    """Say what CHECKPOINT holds, or which checkpoints a RUN has. Exit code 3 where one is damaged."""
    from imgfw.engine.saving.inspection import inspect_checkpoint, inspect_run

    if (checkpoint / "checkpoints").is_dir():
        report = inspect_run(checkpoint)
        problems = [item["problem"] for item in report["checkpoints"] if item["problem"]]
        show, hint = _show_run, _way_out(report)
    else:
        report = inspect_checkpoint(checkpoint, tensors)
        problems = report["problems"]
        show, hint = _show_checkpoint, _TAKES_WHOLE
    print_json(report) if as_json else show(report)
    if problems:
        raise DataError(" ".join(problems), hint)


_TAKES_WHOLE = "imgfw run --resume takes the newest checkpoint that is whole."


def _way_out(report: dict[str, Any]) -> str:
    """What can be done where some checkpoints of a run are damaged, or all are."""
    if not all(item["problem"] for item in report["checkpoints"]):
        return _TAKES_WHOLE
    return (
        "No checkpoint of the run is whole, so it can neither go on nor be used: put one back from a copy, "
        "or train again with its recipe, which recipe.json holds as it was given."
    )


def _show_run(report: dict[str, Any]) -> None:
    rows = [
        [
            item["name"],
            f"{item['bytes']:,} bytes",
            "damaged" if item["problem"] else "whole",
            ", ".join(link for link in ("last", "best") if report[link] == item["name"]),
        ]
        for item in report["checkpoints"]
    ]
    print_table(rows or [["none yet"]])


def _show_checkpoint(report: dict[str, Any]) -> None:
    wrote = f"imgfw {report['imgfw']}" if report["imgfw"] else "imgfw"
    rows = [
        ["checkpoint", report["checkpoint"]],
        ["written by", f"{wrote}, format {report['checkpoint_format']}"],
    ]
    if "step" in report:
        rows += _state_rows(report)
    rows += [
        [item["name"], f"{item['bytes']:,} bytes, {'damaged' if item['problem'] else 'whole'}"]
        for item in report["files"]
    ]
    print_table(rows)
    if "tensors" in report:
        print_table(
            [
                [item["name"], item["dtype"], "x".join(map(str, item["shape"])) or "scalar"]
                for item in report["tensors"]
            ]
        )


def _state_rows(report: dict[str, Any]) -> list[list[str]]:
    best, environment = report["best"], report["environment"] or {}
    told = {
        "step": report["step"],
        "epochs": report["epochs"],
        "samples": report["samples"],
        "finished": "yes" if report["finished"] else "no",
        "stopped": report["stop_reason"],
        "best": best and f"epoch {best['epoch']}: {_figures(best['metrics'])}",
        "metrics": _figures(
            {key: item for key, item in report["metrics"].items() if key not in ("epoch", "step")}
        ),
        "weights": "the moving average" if report["averaged"] else None,
        "precision": report["precision"],
        "environment": ", ".join(f"{name} {value}" for name, value in environment.items()),
        "plugins": ", ".join(f"{name} {value}" for name, value in (report["plugins"] or {}).items()),
    }
    return [[name, str(value)] for name, value in told.items() if value not in (None, "")]


def _figures(metrics: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
