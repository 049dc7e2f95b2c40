"""Recipes that run, changed at random as trees and as texts: each is answered with sentences, or is right."""

from __future__ import annotations

import copy
import json
import random
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from imgfw.catalog.catalog import Catalog
from imgfw.catalog.selection import Selection
from imgfw.contract.errors import ImgfwError
from imgfw.contract.kinds import KINDS
from imgfw.recipe.checking import check
from imgfw.recipe.explain import explain
from imgfw.recipe.reading import read_recipe

from .outcome import workspace
from .trials import Trial
from .watching import Watch, in_child, trusted_code

EXAMPLES = Path(__file__).parents[2] / "examples"
LONGEST_SECONDS = 10.0
LONGEST_ANSWER = 1_000_000
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

Draw = random.Random
Mutation = Callable[[Any, Draw], Any]

NASTY: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63 - 1, 2**63, -(2**64), 10**30, 0.0, -0.0, 1e308, 5e-324,
    -1.5, "", " ", "?", "/", "a/b/c", "imgfw/", "/resnet18", "imgfw/resnet18", "imgfw-plugin-x/net", "..",
    "../../evil.py", "./evil.py", "/tmp/evil.py", "evil.py", "~", "~nobody-at-all", "~/x", "\x00",
    "a\x00b", "\x1b[2J", "\x9b31m", "\u202eevil", "\ud800", "x" * 300, "x" * 5000, "é猫🐈", "__class__",
    "__init__", "{0.__class__}", "%s%n", "$(id)", "`id`", "; rm -rf x", "os.system",
    "!!python/object:os.system", "nan", "Infinity", "val/accuracy", "auto", "type", [], {}, [[]], [{}],
    {"type": None}, {"type": "?"}, {"type": "resnet18", "type ": 1}, {"$": "tensor"}, [None] * 50,
    {"": ""}, {"a.b[0]": 1}, [1, "a", {}, None], "\n", "/dev/zero", "/etc/passwd", "resnet18",
    "cross_entropy",
)  # fmt: skip
"""Values that a careless reader falls over."""


def check_mutated_recipes(count: int, seed: int) -> list[Trial]:
    """Change the example recipes at random, one after the other, and check each as `imgfw check` does.

    Args:
        count: how many recipes to make.
        seed: of the changes.

    Returns:
        a trial for each; its problem is empty when the answer was sentences, or the recipe is right, and
        nothing ran or was written on the way.
    """
    with workspace() as folder:
        trials: list[Trial] = in_child(lambda: _check_all(folder, count, seed))
        return trials


def _check_all(folder: Path, count: int, seed: int) -> list[Trial]:
    recipes = folder / "recipes"
    recipes.mkdir()
    shutil.copy(EXAMPLES / "my_model.py", recipes)
    (folder / "evil.py").write_text("raise SystemExit('it ran')\n")
    catalog = Catalog(Selection(only=frozenset()))
    catalog.plugins()
    examples = sorted(EXAMPLES.glob("*.json"))
    watch = Watch([], [*trusted_code(), recipes])
    draw = random.Random(seed)
    return [_try(draw, examples[number % len(examples)], recipes, catalog, watch) for number in range(count)]


def _try(draw: Draw, example: Path, folder: Path, catalog: Catalog, watch: Watch) -> Trial:
    kind, name, content = _mutated(draw, example)
    file = folder / name
    file.write_bytes(content)
    begin, watch.on = time.perf_counter(), True
    try:
        problem = _answer(file, catalog)
    finally:
        watch.on = False
    seconds = time.perf_counter() - begin
    problem = (
        problem or "; ".join(watch.seen) or (f"took {seconds:.0f} s" if seconds > LONGEST_SECONDS else "")
    )
    watch.seen.clear()
    return Trial(kind, "check", example.stem, f"{problem}: {content[:3000]!r}" if problem else "")


def _answer(file: Path, catalog: Catalog) -> str:
    """What is wrong with how a recipe is answered; empty: nothing."""
    try:
        checked = check(read_recipe(file), catalog)
        json.dumps([value.value for value in explain(checked.recipe)], allow_nan=False)
        said = "\n".join(map(str, checked.warnings))
    except ImgfwError as error:
        said = str(error)
        if not said.strip():
            return "an error without a sentence"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if STEERING.search(said):
        return f"what steers a terminal is in the answer: {said!r}"
    return "an endless answer" if len(said) > LONGEST_ANSWER else ""


def _mutated(draw: Draw, example: Path) -> tuple[str, str, bytes]:
    """A kind of change, the name of a recipe's file, and its content."""
    tree = json.loads(example.read_text(encoding="utf-8"))
    if draw.random() < 0.6:
        mutation = draw.choice(TREE_MUTATIONS)
        for _ in range(draw.choice((1, 1, 1, 2, 5))):
            tree = mutation(tree, draw)
        return f"tree: {_title(mutation)}", "recipe.json", json.dumps(tree).encode()
    change = draw.choice(TEXT_MUTATIONS)
    text = bytearray(json.dumps(tree, indent=draw.choice((None, 2))).encode())
    for _ in range(draw.choice((1, 1, 3, 10))):
        text = change(text, draw)
    suffix = draw.choice((".json", ".json", ".yaml", ".toml"))
    return f"text: {_title(change)}", f"recipe{suffix}", bytes(text)


def _title(function: Callable[..., Any]) -> str:
    return function.__name__.strip("_").replace("_", " ")


Place = tuple[Any, Any]
"""A container and a key or position in it."""


def _places(tree: Any) -> list[Place]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    found: list[Place] = []
    for key, value in items:
        found += [(tree, key), *_places(value)]
    return found


def _put_nasty_value(tree: Any, draw: Draw) -> Any:
    places = _places(tree)
    if not places:
        return draw.choice(NASTY)
    holder, key = draw.choice(places)
    holder[key] = copy.deepcopy(draw.choice(NASTY))
    return tree


def _put_nasty_key(tree: Any, draw: Draw) -> Any:
    holders = [tree, *(value for holder, key in _places(tree) if isinstance(value := holder[key], dict))]
    if isinstance(holder := draw.choice(holders), dict):
        holder[str(draw.choice(NASTY))] = copy.deepcopy(draw.choice(NASTY))
    return tree


def _remove(tree: Any, draw: Draw) -> Any:
    if places := _places(tree):
        holder, key = draw.choice(places)
        del holder[key]
    return tree


def _misspell_key(tree: Any, draw: Draw) -> Any:
    if named := [(holder, key) for holder, key in _places(tree) if isinstance(key, str)]:
        holder, key = draw.choice(named)
        position = draw.randrange(len(key) + 1)
        holder[key[:position] + draw.choice("aeZ_. \x00é") + key[position + 1 :]] = holder.pop(key)
    return tree


def _copy_elsewhere(tree: Any, draw: Draw) -> Any:
    if places := _places(tree):
        (source, key), (holder, target) = draw.choice(places), draw.choice(places)
        holder[target] = copy.deepcopy(source[key])
    return tree


def _wrap(tree: Any, draw: Draw) -> Any:
    if places := _places(tree):
        holder, key = draw.choice(places)
        value = holder[key]
        for _ in range(draw.choice((1, 1, 2, 45))):
            value = draw.choice(([value], {"type": value}, {"terms": [value]}))
        holder[key] = value
    return tree


def _repeat(tree: Any, draw: Draw) -> Any:
    if places := _places(tree):
        holder, key = draw.choice(places)
        most = 20_000 // len(places)  # repetitions of repetitions grow fast
        holder[key] = [copy.deepcopy(holder[key])] * min(draw.choice((2, 30, 1500)), most)
    return tree


def _name_another_component(tree: Any, draw: Draw) -> Any:
    if places := _places(tree):
        holder, key = draw.choice(places)
        holder[key] = draw.choice((_component(draw), {"type": _component(draw)}))
    return tree


def _component(draw: Draw) -> str:
    kind = draw.choice(list(KINDS))
    return draw.choice([item.name for item in Catalog(Selection(only=frozenset())).builtin.providers[kind]])


def _scale_number(tree: Any, draw: Draw) -> Any:
    numbers = [(holder, key) for holder, key in _places(tree) if isinstance(holder[key], int | float)]
    if numbers:
        holder, key = draw.choice(numbers)
        holder[key] = draw.choice((-1, 0, 1000, 10**9, 10**15, 10**18, 1e300)) * holder[key]
    return tree


TREE_MUTATIONS: tuple[Mutation, ...] = (
    _put_nasty_value, _put_nasty_key, _remove, _misspell_key, _copy_elsewhere, _wrap, _repeat,
    _name_another_component, _scale_number,
)  # fmt: skip

_TOKENS = (
    b"NaN", b"-Infinity", b"1e999", b"-1e999", b"9" * 5000, b"\\u0000", b"\\ud800", b"\x00", b"\xff",
    b"\xfe\xff", b"\xef\xbb\xbf", b"\x1b[31m", b"\xc2\x9b", b"\r", b"\t", b"#", b"// x\n", b"[" * 3000,
    b"{\"a\":" * 3000, b"&a ", b"*a", b"!!binary ", b"<<: ", b"---\n", b"%TAG ! x\n", b"...\n",
    b"a.a." * 100, b"[[x]]\n", b"= ", b"'''", b'"""', b"0x" + b"f" * 50, b"1_000", b",", b"\"", b"{}",
    b"\\",
)  # fmt: skip


def _flip_a_bit(text: bytearray, draw: Draw) -> bytearray:
    if text:
        text[draw.randrange(len(text))] ^= 1 << draw.randrange(8)
    return text


def _cut_out(text: bytearray, draw: Draw) -> bytearray:
    start = draw.randrange(len(text) + 1)
    del text[start : start + draw.choice((1, 2, 10, 1000))]
    return text


def _insert_token(text: bytearray, draw: Draw) -> bytearray:
    position = draw.randrange(len(text) + 1)
    text[position:position] = draw.choice(_TOKENS)
    return text


def _double_a_piece(text: bytearray, draw: Draw) -> bytearray:
    start = draw.randrange(len(text) + 1)
    piece = text[start : start + draw.choice((1, 20, 200))]
    text[start:start] = piece * draw.choice((1, 3))
    return text


def _truncate(text: bytearray, draw: Draw) -> bytearray:
    return text[: draw.randrange(len(text) + 1)]


TEXT_MUTATIONS: tuple[Callable[[bytearray, Draw], bytearray], ...] = (
    _flip_a_bit, _cut_out, _insert_token, _double_a_piece, _truncate,
)  # fmt: skip
