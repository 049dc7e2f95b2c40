"""Finding a recipe's fastest settings by trial."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from imgfw import UsageError
from imgfw.catalog.catalog import Catalog
from imgfw.engine.speed import tuning
from imgfw.engine.speed.measuring import Rate
from imgfw.engine.speed.tuning import halve, label_of, tune
from imgfw.recipe.checking import check
from imgfw.recipe.reading import read_recipe
from PIL import Image

from tests.core.engine.conftest import CLASSIFICATION


def timed(rates, own, budget=12.0):
    """Halve variants that always run at their rate; the outcome, and how often each was timed."""
    asked = {name: [] for name in rates}

    def window(name):
        def run(seconds):
            asked[name].append(seconds)
            return rates[name]

        return run

    outcome = halve({name: window(name) for name in rates}, own, budget, lambda text: None)
    return [(name, stage) for name, _, stage in outcome], asked


def test_the_slower_half_is_dropped_and_the_others_are_timed_for_longer():
    ranked, asked = timed({"a": 100.0, "b": 400.0, "c": 300.0, "d": 200.0}, own="a")
    assert ranked == [("b", 2), ("c", 2), ("d", 1), ("a", 1)]
    assert asked["a"] == [0.5] * 3
    assert asked["b"] == [0.5] * 3 + [1.0] * 3
    assert sum(map(sum, asked.values())) == pytest.approx(12.0)


def test_what_the_recipe_has_stays_unless_another_is_faster_by_more_than_noise():
    assert timed({"own": 99.0, "other": 100.0}, own="own")[0][0] == ("own", 1)
    assert timed({"own": 97.0, "other": 100.0}, own="own")[0][0] == ("other", 1)


def test_a_question_with_one_answer_is_timed_once():
    assert timed({"only": 5.0}, own="only")[0] == [("only", 1)]


@pytest.fixture
def recipe(tmp_path):
    """A tiny recipe in a file."""
    file = tmp_path / "tiny.json"
    file.write_text(json.dumps(CLASSIFICATION))
    return file


def test_the_new_recipe_holds_what_was_fastest_and_runs_as_it_is(recipe, monkeypatch):
    monkeypatch.setattr(tuning, "usable_cores", lambda: 1)  # no workers to start
    said = []
    out = recipe.with_name("fast.json")
    tuned = tune(recipe, out=out, budget=0.5, catalog=Catalog(), say=said.append)
    expected = copy.deepcopy(CLASSIFICATION)
    expected["train"] |= {
        key: tuned.chosen[f"train.{key}"] for key in ("channels_last", "compile", "precision")
    }
    expected["loader"]["num_workers"] = tuned.chosen["loader.num_workers"]
    assert json.loads(out.read_text()) == expected
    best = {trial.question: trial for trial in reversed(tuned.trials)}
    for trial in tuned.trials:
        assert trial.settings.items() <= tuned.chosen.items() or trial is not best[trial.question]
    resolved = check(read_recipe(out), Catalog()).recipe
    assert resolved.recipe.train.precision == tuned.chosen["train.precision"]
    assert resolved.recipe.loader.batch_size == CLASSIFICATION["loader"]["batch_size"]
    assert any("stage 1 of" in line for line in said)


def test_the_json_names_every_trial_and_the_choice(tmp_path):
    settings = {"train.precision": "bf16", "train.channels_last": True}
    trial = tuning.Trial("step", settings, Rate(2.0, 1.0, 3.0), stage=2)
    assert label_of(settings) == "precision bf16, channels_last true"
    assert tuning.Tuned([trial], settings, tmp_path).to_json() == {
        "format": 1,
        "trials": [
            {"question": "step", "settings": settings, "stage": 2, "median": 2.0, "min": 1.0, "max": 3.0}
        ],
        "chosen": settings,
        "out": str(tmp_path),
    }


def test_a_file_that_exists_or_lies_elsewhere_is_refused_before_anything_is_timed(recipe, tmp_path):
    with pytest.raises(UsageError, match=r"exists already\. Name another file with --out"):
        tune(recipe, out=recipe, budget=1.0, catalog=Catalog())
    with pytest.raises(UsageError, match="whose paths are relative to its folder"):
        tune(recipe, out=tmp_path / "other" / "tuned.json", budget=1.0, catalog=Catalog())


def test_a_batch_is_cut_until_it_fits(recipe, monkeypatch):
    """A GPU's memory that holds 100 samples, played by a step that refuses more."""
    bench = tuning.Workbench(recipe, Catalog())
    bench.device = torch.device("cuda")

    class SmallMemory:
        def __init__(self, parts):
            self.samples = len(parts.batches.micro_batches(0, 0)[0])

        def __call__(self):
            if self.samples > 100:
                raise torch.OutOfMemoryError
            return self.samples

    monkeypatch.setattr(tuning.BareStep, "on_resident", SmallMemory)
    monkeypatch.setattr(tuning, "build_parts", lambda resolved, data, device: build_on_cpu(resolved, data))
    assert bench.fit() == {"train.accumulate": 4}


def test_a_gpu_is_asked_about_compilation_with_and_without_cuda_graphs(recipe, monkeypatch):
    bench = tuning.Workbench(recipe, Catalog())
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    asked = {label_of(settings) for settings in bench._formats()}
    assert not any("compile true" in label for label in asked)
    bench.device = torch.device("cuda")
    asked = {label_of(settings) for settings in bench._formats()}
    for precision in ("bf16", "fp16"):
        assert {
            f"precision {precision}, channels_last true, compile false",
            f"precision {precision}, channels_last false, compile false",
            f"precision {precision}, channels_last true, compile true",
            f"precision {precision}, channels_last true, compile reduce-overhead",
        } <= asked
    assert len(asked) == 8


def test_a_gpu_is_asked_to_decode_what_it_can(recipe, tmp_path, monkeypatch):
    try:
        import torchcodec.decoders  # noqa: F401
    except (ImportError, OSError, RuntimeError) as error:
        pytest.skip(f"needs torchcodec: {error}")
    photos = changed_to_photos(recipe, tmp_path / "photos")
    bench = tuning.Workbench(photos, Catalog())
    assert not bench.may_decode_on_device()
    bench.device = torch.device("cuda")
    monkeypatch.setattr(tuning, "build_parts", lambda resolved, data, device: build_on_cpu(resolved, data))
    assert bench.may_decode_on_device()
    monkeypatch.setattr(tuning, "window_of", lambda step, device, settle: lambda seconds: float(bool(step())))
    trials = bench.answer("decoding", {"loader.num_workers": 0}, 0.01, lambda text: None)
    assert {label_of(trial.settings) for trial in trials} == {"decode cpu", "decode device"}
    in_memory = tuning.Workbench(recipe, Catalog())
    in_memory.device = torch.device("cuda")
    assert not in_memory.may_decode_on_device()


def changed_to_photos(recipe, root):
    """The recipe on a few JPEGs, in a file beside it."""
    for number in range(12):
        path = root / f"class{number % 2}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (20 * number, 90, 30)).save(path)
    data = {"type": "image_folder", "root": str(root)}
    transforms = [{"type": "resize", "size": [16, 16]}, "normalize"]
    changes = {"data": data, "transforms": {"train": transforms, "eval": transforms}}
    file = recipe.with_name("photos.json")
    file.write_text(json.dumps({**CLASSIFICATION, **changes, "loader": {"batch_size": 4, "num_workers": 0}}))
    return file


def test_a_variant_that_cannot_be_compiled_is_left_out(recipe, monkeypatch):
    bench, said = tuning.Workbench(recipe, Catalog()), []
    on_resident = tuning.BareStep.on_resident

    def refuse(parts):
        if parts.resolved.recipe.train.compile:
            raise RuntimeError("Unsupported: a loop\nin model.py")
        return on_resident(parts)

    monkeypatch.setattr(tuning.BareStep, "on_resident", refuse)
    plain = {"train.precision": "fp32", "train.channels_last": True, "train.compile": False}
    monkeypatch.setattr(bench, "_formats", lambda: [plain, {**plain, "train.compile": "max-autotune"}])
    (trial,) = bench.answer("step", {}, 0.01, said.append)
    assert trial.settings == plain
    label = "precision fp32, channels_last true, compile max-autotune"
    assert f"step: {label} cannot be compiled: Unsupported: a loop" in said


def build_on_cpu(resolved, data):
    from imgfw.engine.building import build_parts

    return build_parts(resolved, data, torch.device("cpu"))
