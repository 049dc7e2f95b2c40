"""The benchmarks run; what they measure is nobody's business here."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parent
FIGURES = re.compile(r"[+-]?[\d,.]+ \([+-]?[\d,.]+\.\.[+-]?[\d,.]+\)")


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
    """How many figures each row of a section's table holds, by the row's name."""
    lines = [line for line in section.splitlines() if line.startswith("| ")][2:]
    return {line.split(" | ")[0].strip("| "): len(FIGURES.findall(line)) for line in lines}


def test_the_cost_of_a_step_is_measured_beside_the_bare_loop(part):
    effort = part("measuring").Effort(rounds=2, steps=3)
    section = part("step_cost").measure(effort, with_peers=False)
    assert figures_of(section) == {"bare loop": 1, "imgfw": 4}


def test_the_input_is_measured_beside_torchvision(part):
    section = part("input_rate").measure(part("measuring").Effort(rounds=1, steps=1))
    assert list(figures_of(section).values()) == [2, 2, 2]


def test_the_input_from_files_is_measured_beside_torchvision(part):
    section = part("image_rate").measure(part("measuring").Effort(rounds=1, steps=1))
    figures = list(figures_of(section).values())
    assert figures[:4] == [3, 3, 3, 2] and figures[-3:] == [3, 3, 2]
    assert 'imgfw, `"warp": "opencv"`' in section


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


def test_hand_written_crops_show_the_image_or_its_mirror(part):
    import torch

    fashion = part("fashion")
    images = torch.arange(28 * 28).remainder(251).to(torch.uint8).view(1, 1, 28, 28).expand(64, -1, -1, -1)
    pixels = ((fashion.augmented(images) + fashion.MEAN / fashion.STD) * 255 * fashion.STD).round()
    padded = torch.nn.functional.pad(images[0, 0].float(), (2,) * 4)
    crops = padded.unfold(0, 28, 1).unfold(1, 28, 1).flatten(0, 1)
    possible = torch.cat([crops, crops.flip(-1)])
    assert all((possible == image).flatten(1).all(1).any() for image in pixels[:, 0])


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
