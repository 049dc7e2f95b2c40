"""The curves, images and hyper-parameters that TensorBoard reads back."""

from __future__ import annotations

import io
import json
from pathlib import Path

import imgfw
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from .conftest import Kill, Train
from .rows import curves_of, rows_of


def read(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    events.Reload()
    return events


def curve(events: EventAccumulator, name: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in events.Scalars(name)]


def text(events: EventAccumulator, name: str) -> list[str]:
    points = events.Tensors(f"{name}/text_summary")
    return [point.tensor_proto.string_val[0].decode() for point in points]


def approx(curve: dict[int, float]) -> list[tuple[int, float]]:
    """TensorBoard keeps 32 bits of a number."""
    return [(step, pytest.approx(value, rel=1e-6)) for step, value in sorted(curve.items())]


def test_every_recorded_value_is_in_its_curve_once(train: Train) -> None:
    folder = train({"type": "tensorboard"}).folder
    events, recorded = read(folder / "tensorboard"), curves_of(folder)
    assert len(recorded["train/loss"]) > len(recorded["val/accuracy"]) == 2
    for name in ("train/loss", "lr", "val/loss", "val/accuracy", "images_per_second"):
        assert curve(events, name) == approx(recorded[name])


def test_the_recipe_the_results_and_the_folder_are_there(train: Train) -> None:
    result = train({"type": "tensorboard"})
    events = read(result.folder / "tensorboard")
    written = text(events, "recipe")[0].removeprefix("```json\n").removesuffix("\n```")
    assert json.loads(written) == json.loads((result.folder / "recipe.resolved.json").read_text())
    assert str(result.folder) in text(events, "run")[0]
    assert text(events, "status") == ["completed"]
    assert "_hparams_/session_start_info" in events.SummaryMetadata.__self__.summary_metadata
    (best,) = events.Scalars("best/val/accuracy")
    assert best.value == pytest.approx(result.summary["best"]["val/accuracy"])
    (test,) = events.Scalars("test/accuracy")
    assert test.value == pytest.approx(result.summary["test"]["test/accuracy"])


def test_the_first_validation_images_are_shown_after_each_epoch(train: Train) -> None:
    events = read(train({"type": "tensorboard", "images": 2}).folder / "tensorboard")
    assert events.Tags()["images"] == ["val/image_0", "val/image_1"]
    shown = events.Images("val/image_1")
    assert len(shown) == 2
    image = Image.open(io.BytesIO(shown[0].encoded_image_string))
    assert (image.size, image.convert("L").getextrema()) == ((8, 8), (0, 255))
    prediction = json.loads(text(events, "val/image_1")[0])
    assert 0 < prediction["probability"] <= 1
    assert shown[0].encoded_image_string == shown[1].encoded_image_string


def test_a_folder_for_all_runs_gets_one_for_each(train: Train, tmp_path: Path) -> None:
    callback = {"type": "tensorboard", "log_dir": str(tmp_path / "all")}
    for _ in range(2):
        train(callback)
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["tiny", "tiny-2"]


def test_a_resumed_run_goes_on_with_its_curves(train: Train, runs: Path) -> None:
    with pytest.raises(imgfw.InterruptedRun):
        train({"type": "tensorboard"}, Kill(step=3))
    (folder,) = runs.iterdir()
    assert text(read(folder / "tensorboard"), "status") == ["interrupted"]
    imgfw.resume(folder, quiet=True)
    events = read(folder / "tensorboard")
    assert curve(events, "train/loss") == approx(curves_of(folder)["train/loss"])
    assert [value for _, value in curve(events, "val/accuracy")] == pytest.approx(
        [row["val/accuracy"] for row in rows_of(folder)]
    )
    assert len(text(events, "recipe")) == 1
