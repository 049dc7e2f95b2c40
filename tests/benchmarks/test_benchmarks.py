"""The benchmarks run; what they measure is nobody's business here."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import torch

FOLDER = Path(__file__).parent
FIGURES = re.compile(r"[+-]?[\d,.]+ \([+-]?[\d,.]+\.\.[+-]?[\d,.]+\)")

needs_fashion_mnist = pytest.mark.skipif(
    not Path("/usr/share/datasets/fashion-mnist").is_dir(),
    reason="Debian's dataset-fashion-mnist is not there",
)


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Iterator:
    """Import a module of the benchmarks, as the script beside it would."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)

    def load(name: str) -> ModuleType:
        return import_module(name)

    yield load
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == FOLDER:
            del sys.modules[name]


def figures_of(section: str) -> dict[str, int]:
    """How many figures each row of a section's tables holds, but for the goals, by the row's name."""
    tables = section.partition("| goal |")[0]
    lines = [line for line in tables.splitlines() if line.startswith("| ")][2:]
    return {line.split(" | ")[0].strip("| "): len(FIGURES.findall(line)) for line in lines}


def test_the_cost_of_a_step_is_measured_beside_the_bare_loop(part):
    effort = part("measuring").Effort(rounds=2, steps=3)
    section = part("step_cost").measure(effort, with_peers=False)
    assert figures_of(section) == {"bare loop": 1, "imgfw": 4}
    assert "| added us (CPU) | 50 or less" in section


def test_a_loop_that_adds_less_to_a_step_is_told_with_the_reason(part):
    spread = part("measuring").Spread
    added = {
        name: spread(value, value, value) for name, value in (("imgfw", 60), ("Ignite", 40), ("fastai", 90))
    }
    [line] = part("step_cost")._reasons(added)
    assert line.startswith("Ignite adds less than imgfw: of what is counted for imgfw it does nothing but")


def test_the_input_is_measured_beside_torchvision(part):
    section = part("input_rate").measure(part("measuring").Effort(rounds=1, steps=1))
    assert list(figures_of(section).values()) == [2, 2, 2]


def test_the_input_from_files_is_measured_beside_torchvision(part):
    section = part("image_rate").measure(part("measuring").Effort(rounds=1, steps=1))
    figures = list(figures_of(section).values())
    assert figures[:6] == [3, 3, 3, 3, 3, 2] and figures[-3:] == [3, 3, 2]
    assert 'imgfw, `"warp": "opencv"`' in section


def test_what_auto_and_tune_choose_is_measured_beside_every_combination(part):
    settings = part("settings")
    tiny = settings.Network("Tiny", "small_cnn", 28, 4)
    section = settings.measure(rounds=2, seconds=0.0, budget=0.01, networks=[tiny])
    assert figures_of(section) == {"Tiny, 28, 4": len(settings.combinations()) + 2}
    reached = section.partition("| goal |")[2]
    assert len(FIGURES.findall(reached)) == 3
    for most in ("1.10", "1.02", "1.05"):
        assert f"| {most} or less | " in reached


def test_a_choice_is_judged_by_the_combination_that_was_fastest(part):
    settings = part("settings")
    network = settings.Network("One", "one", 32, 10)
    rates = {"fp32": [100.0, 50.0, 100.0], "bf16": [200.0, 200.0, 50.0]}
    slow, best = (settings.Choice(network, name, rates) for name in rates)
    assert slow.best == best.best == "bf16"
    assert slow.row()[1:3] == ["100 (100..200)", "50 (50..200)"]
    assert slow.row()[3:] == ["fp32", "2.00 (0.50..4.00)", "1.00 (1.00..1.00)"]
    assert [row[0] for row in settings.reached([best, slow], best)] == [
        "One, `auto`: its time over bf16",
        "One, `auto`: its time over fp32",
        "One, `imgfw tune` (bf16): its time over bf16",
    ]
    assert settings.reached([best, slow], best)[0][2] == "2.00 (0.50..4.00)"
    assert settings.beaten([best]) == []
    [line] = settings.beaten([best, slow])
    assert line.startswith("For One, bf16 took 50% less time than `auto`'s choice: ")


def test_saving_is_measured_beside_torch(part):
    section = part("saving").measure(part("measuring").Effort(rounds=1, steps=1))
    assert list(figures_of(section).values()) == [2, 2, 2, 2]


def test_the_start_of_commands_is_measured(part):
    section = part("startup").measure(rounds=1, light=True)
    assert figures_of(section) == {
        "Python alone": 2,
        "`imgfw --help`": 2,
        "`imgfw list-plugins`": 2,
        "`imgfw --help`, 50 plugins": 2,
        "`imgfw list-plugins`, 50 plugins": 2,
    }


def test_fashion_mnist_is_skipped_in_words_where_its_files_are_not(part, monkeypatch, tmp_path):
    fashion = part("fashion")
    monkeypatch.setattr(fashion, "FOLDER", tmp_path / "absent")
    assert fashion.measure(part("measuring").Effort(rounds=1, steps=1)).startswith("Skipped: ")


def test_every_round_begins_with_another_variant(part):
    measuring, order = part("measuring"), []

    def variant(name):
        def run():
            order.append(name)
            return measuring.Seconds(1.0, 2.0)

        return run

    measured = measuring.interleave({"a": variant("a"), "b": variant("b")}, rounds=2)
    assert "".join(order) == "ab" + "ba" + "ab"
    assert measured == {name: [measuring.Seconds(1.0, 2.0)] * 2 for name in "ab"}


def test_an_unknown_part_is_refused(part, capsys):
    with pytest.raises(SystemExit):
        part("run").main(["spet"])
    assert "there is no part spet" in capsys.readouterr().err


def test_a_loop_that_was_faster_stays_in_the_table_with_the_reason(part):
    from imgfw.engine.speed.bench import Measured

    comparison, seconds = part("comparison"), part("measuring").Seconds
    took = {"imgfw": 1.0, "a faster step": 0.5, "a faster input": 0.8, "a faster loop": 0.9, "slower": 2.0}
    limits = Measured(rates={"sol": [150.0], "loader": [120.0], "run": [100.0]})
    section = comparison.compare({name: [seconds(0, wall)] for name, wall in took.items()}, 100, limits)
    table, *reasons = section.split("\n\n")
    assert figures_of(table) == {**dict.fromkeys(took, 2), "imgfw": 1}
    assert [line.partition(": ")[0] for line in reasons] == [
        f"A faster {what} was faster than imgfw" for what in ("step", "input", "loop")
    ]
    assert "step alone" in reasons[0] and "more than 150 images/s" in reasons[0]
    assert "input alone" in reasons[1] and "more than 120 images/s" in reasons[1]
    assert "83% of the limit" in reasons[2]


def test_the_network_of_the_scripts_is_the_plugins(part):
    from types import SimpleNamespace

    info = SimpleNamespace(channels=1, num_classes=10)
    assert str(part("bench_plugin").small_cnn(info)) == str(part("accuracy_process").make_small_cnn())


@needs_fashion_mnist
def test_every_loop_trains_on_fashion_mnist(part):
    fashion = part("fashion")
    with fashion.unpacked() as root:
        loops = fashion.variants(root, steps=2, with_peers=False)
        assert all(run().wall > 0 for run in loops.values())
    assert list(loops) == ["imgfw", fashion.BARE, fashion.TUTORIAL]


@needs_fashion_mnist
@pytest.mark.slow
def test_whole_trainings_are_timed_with_the_accuracy_they_end_at(part):
    section = part("accuracy").measure(part("measuring").Effort(rounds=1, steps=2), with_peers=False)
    assert figures_of(section) == {"imgfw": 2, "the tutorial's loop": 3}
    assert section.count("0 of 1") == 2


def test_resnets_are_measured_beside_the_tutorial_and_the_limit(part):
    resnet = part("resnet")
    effort = part("measuring").Effort(rounds=1, steps=1)
    section = resnet.measure(effort, resnet.Job(2, 32, 18), with_peers=False, seconds=0.01)
    figures = figures_of(section)
    assert figures["imgfw"] == figures["RUN: imgfw's steady state"] == 1
    assert figures["the tutorial's loop"] == 2
    assert "| RUN over the limit | none on a CPU | " in section
    assert f"| times as fast as {resnet.TUTORIAL} | 2.2 or more | " in section


@pytest.mark.filterwarnings("ignore")  # of the frameworks
@pytest.mark.parametrize("name", ["fabric", "ignite_trainer", "accelerate_loop", "fastai_learner"])
def test_a_framework_takes_the_given_batches_once_an_epoch(part, name):
    pytest.importorskip({"fabric": "lightning"}.get(name, name.partition("_")[0]))
    peers, step_cost = part("peers"), part("step_cost")
    asked = []

    class Counted(step_cost.Batches):
        def __iter__(self):
            asked.append(len(self))
            return super().__iter__()

    assert getattr(peers, name)(peers.Training(step_cost.make_model, lambda: Counted(3))).wall > 0
    assert asked == [3, 3]


def test_the_part_for_a_gpu_runs_on_a_cpu_with_tiny_sizes(part, tmp_path):
    part("gpu").main([str(tmp_path), "resident", "formats", "evaluation", "peers", "--tiny"])
    figures = json.loads((tmp_path / "gpu.json").read_text())
    assert figures["resident"]["run"]["median"] > 0
    assert figures["formats"]["failures"] == {} and len(figures["formats"]["rates"]) == 4
    assert set(figures["peers"]) == {"imgfw", "a loop by a careful hand"}
    assert set(figures["evaluation"]) == {"evaluation", "the forward pass alone", "a training step (SOL)"}
    page = (tmp_path / "gpu.md").read_text()
    assert "0.99 or more" in page and "no figure means anything" in page


@pytest.mark.filterwarnings("ignore")  # of the frameworks
def test_other_loops_are_tuned_as_their_users_would(part, monkeypatch):
    pytest.importorskip("lightning")
    pytest.importorskip("timm")
    resnet, seen = part("resnet"), []
    forward = resnet.models.ResNet.forward

    def look(model, images):
        bf16 = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
        seen.append((bf16, images.is_contiguous(memory_format=torch.channels_last), tuple(images.shape)))
        return forward(model, images)

    monkeypatch.setattr(resnet.models.ResNet, "forward", look)
    with part("image_rate").folder_of_photos(2, copies=2) as root:
        variants = resnet.tuned_variants(root, resnet.Job(2, 32, 18, num_workers=1), with_peers=True)
        for name in ("a loop by a careful hand", "Lightning", resnet.TIMM):
            seen.clear()
            assert variants[name]().wall > 0
            assert seen == [(True, True, (2, 3, 32, 32))] * 4, name


def test_the_part_for_a_gpu_asks_for_one(part, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as ended:
        part("gpu").main([str(tmp_path)])
    assert ended.value.code == 2
    assert "torch sees no GPU; --tiny does the same work on the CPU" in capsys.readouterr().err


def test_the_page_is_written_when_every_part_was_measured_and_only_then(part, monkeypatch, tmp_path, capsys):
    run = part("run")
    monkeypatch.setattr(run, "PAGE", tmp_path / "benchmarks.md")
    sections = {name: (f"About {name}", lambda name=name: f"Figures of {name}.") for name in ("one", "two")}
    monkeypatch.setattr(run, "SECTIONS", sections)
    run.main(["one"])
    assert "## About one\n\nFigures of one." in capsys.readouterr().out
    assert not run.PAGE.exists()
    run.main([])
    page = run.PAGE.read_text()
    assert page.startswith("# Benchmarks\n") and "Machine: " in page and "torch " in page
    assert page.endswith("## About one\n\nFigures of one.\n\n## About two\n\nFigures of two.\n")


def test_a_training_that_was_faster_is_told_beside_imgfws_own_verdict(part):
    accuracy, seconds = part("accuracy"), part("measuring").Seconds
    measured = {name: [seconds(0, wall)] for name, wall in (("imgfw", 10), ("one", 9), ("other", 11))}
    lines = accuracy.reasons(measured, "the input held it back.")
    assert lines == ["One was faster than imgfw, which says of its own run: the input held it back."]


def test_goals_stand_beside_what_was_measured(part):
    measuring, comparison, page = part("measuring"), part("comparison"), part("page")
    measured = {"imgfw": [measuring.Seconds(0, 2.0)], "other": [measuring.Seconds(0, 5.0)]}
    rows = comparison.leads(measured, {"other": "2.2 or more", "absent": "over 1"})
    assert page.goals(rows).splitlines()[-1] == "| times as fast as other | 2.2 or more | 2.50 (2.50..2.50) |"
