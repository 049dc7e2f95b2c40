"""Damage to any file of a checkpoint is found before it is used; the last whole one is used instead."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import imgfw
from imgfw.engine.saving import checkpoint, checkpoint_folder

from .outcome import difference, workspace
from .recipes import EMA, TASKS, Mode
from .trials import Trial

MODES = [*(Mode(task) for task in TASKS), Mode("classification", more=EMA)]
_PAGE = 4096


def corrupt_checkpoints(mode: Mode, count: int, seed: int) -> list[Trial]:
    """Damage the newest checkpoint of a run, or the two newest, `count` times; each time another way."""
    draw, trials = random.Random(seed), []
    with workspace() as folder:
        run = imgfw.run(mode.recipe(folder) | {"checkpoint": {"keep": 3}}, quiet=True).folder
        whole = checkpoint_folder.ordered(run / "checkpoints")
        for _ in range(count):
            damaged = whole[-draw.randint(1, 2) :]
            with _kept(damaged):
                kinds = [
                    (_DAMAGES[kind](place, draw), kind) for place in damaged for kind in [_draw_kind(draw)]
                ]
                problem = _unnoticed(run / "checkpoints", damaged, whole[-len(damaged) - 1])
            trials += [Trial(kind, f"in {file}", str(mode), problem) for file, kind in kinds]
    return trials


def resume_from_corrupted(count: int, seed: int) -> list[Trial]:
    """Damage the newest checkpoint of a run, and resume it: it ends as if nothing had been."""
    draw, trials = random.Random(seed), []
    for _ in range(count):
        mode, kind = draw.choice(MODES), _draw_kind(draw)
        with workspace() as folder:
            run = imgfw.run(mode.recipe(folder), quiet=True).folder
            file = _DAMAGES[kind](checkpoint_folder.ordered(run / "checkpoints")[-1], draw)
            imgfw.resume(run, quiet=True)
            problem = difference(run, mode)
        trials.append(Trial(f"{kind}, then resumed", f"in {file}", str(mode), problem))
    return trials


def _unnoticed(checkpoints: Path, damaged: list[Path], expected: Path) -> str:
    """What is wrong with how damage is met; empty where each damaged checkpoint is named and left out."""
    found, sentences = checkpoint.load_newest(checkpoints)
    if found.folder != expected:
        return f"{found.folder.name} was used instead of {expected.name}"
    unnamed = [
        place.name for place, said in zip(reversed(damaged), sentences, strict=True) if str(place) not in said
    ]
    return f"{', '.join(unnamed)} not named" if unnamed else ""


@contextmanager
def _kept(places: list[Path]) -> Iterator[None]:
    """Bring folders back as they were."""
    for place in places:
        shutil.copytree(place, place.with_suffix(".kept"))
    try:
        yield
    finally:
        for place in places:
            shutil.rmtree(place)
            place.with_suffix(".kept").rename(place)


def _draw_kind(draw: random.Random) -> str:
    return draw.choice(sorted(_DAMAGES))


def _draw_file(place: Path, draw: random.Random) -> Path:
    return draw.choice(sorted(place.iterdir()))


def _flip_a_bit(place: Path, draw: random.Random) -> str:
    file = _draw_file(place, draw)
    content = bytearray(file.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    file.write_bytes(content)
    return file.name


def _zero_a_page(place: Path, draw: random.Random) -> str:
    file = _draw_file(place, draw)
    content = bytearray(file.read_bytes())
    start = draw.randrange(0, len(content), _PAGE)
    page = content[start : start + _PAGE]
    content[start : start + _PAGE] = bytes(len(page)) if any(page) else b"\xff" * len(page)
    file.write_bytes(content)
    return file.name


def _cut_short(place: Path, draw: random.Random) -> str:
    file = _draw_file(place, draw)
    os.truncate(file, draw.randrange(file.stat().st_size))
    return file.name


def _remove(place: Path, draw: random.Random) -> str:
    file = _draw_file(place, draw)
    file.unlink()
    return file.name


def _swap(place: Path, draw: random.Random) -> str:
    """Two files of the checkpoint change places."""
    first, second = sorted(draw.sample(sorted(place.iterdir()), 2))
    contents = first.read_bytes(), second.read_bytes()
    second.write_bytes(contents[0])
    first.write_bytes(contents[1])
    return f"{first.name} and {second.name}"


def _take_from_another(place: Path, draw: random.Random) -> str:
    """A file of an earlier checkpoint of the same run stands in the file's place."""
    earlier = checkpoint_folder.ordered(place.parent)[0]
    file = draw.choice([item for item in sorted(place.iterdir()) if item.suffix == ".safetensors"])
    shutil.copy(earlier / file.name, file)
    return file.name


def _damage_the_manifest(place: Path, draw: random.Random) -> str:
    """A digit of a hash or a size in the manifest becomes another: well-formed, and wrong."""
    manifest = place / "manifest.json"
    text = manifest.read_text()
    where = draw.choice([number for number, letter in enumerate(text) if letter.isdigit()])
    digit = str((int(text[where]) + draw.randint(1, 9)) % 10)
    manifest.write_text(text[:where] + digit + text[where + 1 :])
    return manifest.name


_DAMAGES: dict[str, Callable[[Path, random.Random], str]] = {
    "bit flipped": _flip_a_bit,
    "page zeroed": _zero_a_page,
    "file cut short": _cut_short,
    "file missing": _remove,
    "files swapped": _swap,
    "file of another checkpoint": _take_from_another,
    "digit of the manifest changed": _damage_the_manifest,
}
