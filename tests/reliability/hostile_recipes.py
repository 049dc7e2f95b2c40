"""Recipes made to do harm, given to the command line: each is refused with its sentence and its exit code."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from imgfw.cli.application import application

from .mutated_recipes import LONGEST_ANSWER, LONGEST_SECONDS, STEERING
from .outcome import workspace
from .trials import Trial
from .watching import Watch, in_child, trusted_code

Content = str | bytes | Mapping[str, Any] | Callable[[Path], None]
"""What a recipe's file holds: a text, data, or a function that makes the file itself."""


@dataclass(frozen=True)
class Hostile:
    """A recipe made to do harm.

    Attributes:
        harm: what it is after.
        content: what is in it.
        answer: a pattern that the answer must match.
        code: the exit code.
        name: the file's name.
        words: the command line; `{}` is the recipe.
    """

    harm: str
    content: Content
    answer: str
    code: int = 2
    name: str = "recipe.json"
    words: tuple[str, ...] = ("check", "{}")


def _recipe(**changes: Any) -> dict[str, Any]:
    return {"data": "digits", "model": "resnet9"} | changes


def _deep_loss(depth: int) -> Any:
    loss: Any = "cross_entropy"
    for _ in range(depth):
        loss = {"type": "weighted_sum", "terms": [loss, loss]}
    return loss


def _fifo(file: Path) -> None:
    os.mkfifo(file)


def _endless(file: Path) -> None:
    file.symlink_to("/dev/zero")


def _runs_in_a_file(file: Path) -> None:
    place = file.parents[1] / "runs" / "file"
    place.write_text("")
    file.write_text(json.dumps(_recipe(output_dir=str(place))))


def _plugin_anywhere(file: Path) -> None:
    file.write_text(json.dumps(_recipe(plugins=[str(file.parents[1] / "evil.py")])))


def _linked_plugin(file: Path) -> None:
    file.with_name("friendly.py").symlink_to(file.parents[1] / "evil.py")
    file.write_text(json.dumps(_recipe(plugins=["./friendly.py"])))


def _piped_weights(file: Path) -> None:
    os.mkfifo(file.with_name("w.pth"))
    file.write_text(json.dumps(_recipe(model={"type": "resnet9", "pretrained": "w.pth"})))


_RUN = ("run", "{}")
_SETTLED = ("-p", "no:./", "check", "{}")
_OUTSIDE = "is outside of the recipe's folder"

FILES = (
    Hostile("never ends", _endless, "is no regular file"),
    Hostile("never begins", _fifo, "is no regular file"),
    Hostile("is a folder", lambda file: file.mkdir(), "is no regular file"),
    Hostile("too large", " " * 2_000_000, "is larger than 1,000,000 bytes"),
    Hostile("no text", b"\x80\x81\xfe\xff", "is not a text file in UTF-8"),
    Hostile("UTF-16", '{"data": "digits"}'.encode("utf-16"), "is not a text file in UTF-8"),
    Hostile("a name that steers", "{", r"\\u001b\[2J.*is not JSON", name="\x1b[2J.json"),
    Hostile("nothing", "", "is not JSON"),
)
JSON = (
    Hostile("too deep for Python", "[" * 500_000, "nested deeper than 40"),
    Hostile("deeper than allowed", '{"a":' * 45 + "1" + "}" * 45, "nested deeper than 40"),
    Hostile("too many values", '{"a": [' + "0," * 400_000 + "0]}", "more than 100,000 values"),
    Hostile("a key twice", '{"seed": 1, "seed": 2}', '"seed" stands twice'),
    Hostile("a key twice among many", "{" + '"a":1,' * 100_000 + '"b":1}', '"a" stands twice'),
    Hostile("NaN", '{"seed": NaN}', "NaN is not a number"),
    Hostile("infinity", '{"optimizer": {"lr": -Infinity}}', "-Infinity is not a number"),
    Hostile("overflow", '{"optimizer": {"lr": 1e999}}', "optimizer.lr: inf is not a number"),
    Hostile("too many digits", '{"seed": ' + "9" * 5000 + "}", "too many digits"),
    Hostile("more than 64 bits", '{"seed": 36893488147419103232}', "more than 64 bits"),
    Hostile("a surrogate", '{"name": "\\ud800"}', "U\\+D800, which is no text"),
    Hostile("a long key", '{"' + "k" * 500_000 + '": 1}', "500,000 characters"),
    Hostile("a long string", _recipe(model="m" * 500_000), "500,000 characters"),
    Hostile("no object", "[1, 2]", "a recipe is an object"),
)
YAML = (
    Hostile("a bomb of aliases", "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "aliases", name="r.yaml"),
    Hostile("runs code", "data: !!python/object/apply:os.system [id]\n", "tags", name="r.yaml"),
    Hostile(
        "a tag by directive",
        "%TAG ! tag:yaml.org,2002:python/\n---\na: !name:os.system\n",
        "tags",
        name="r.yml",
    ),
    Hostile("merges", "a: &a {seed: 1}\nb:\n  <<: *a\n", "aliases", name="r.yaml"),
    Hostile("too deep", "[" * 20_000, "nested deeper than 40", name="r.yaml"),
    Hostile("too many digits", "seed: " + "9" * 5000, "too many digits", name="r.yaml"),
    Hostile("several documents", "data: digits\n---\nmodel: resnet9\n", "is not YAML", name="r.yaml"),
)
TOML = (
    Hostile("a key without end", "a" + ".a" * 300_000 + " = 1", "nested deeper than 40", name="r.toml"),
    Hostile("too deep", "a = " + "[" * 100_000, "nested deeper than 40", name="r.toml"),
    Hostile("NaN", "seed = nan", "NaN is not a number", name="r.toml"),
    Hostile("too many digits", "seed = 0x" + "f" * 10_000, "too many digits", name="r.toml"),
)
SIZES = (
    Hostile("a huge batch", _recipe(loader={"batch_size": 10**12}), "loader.batch_size: should be at most"),
    Hostile(
        "many processes", _recipe(loader={"num_workers": 10**6}), "loader.num_workers: should be at most"
    ),
    Hostile("much ahead", _recipe(loader={"prefetch": 10**9}), "loader.prefetch: should be at most"),
    Hostile("endless epochs", _recipe(train={"epochs": 10**15}), "train.epochs: should be at most"),
    Hostile("endless steps", _recipe(train={"steps": 10**18}), "train.steps: should be at most"),
    Hostile("many parts", _recipe(train={"accumulate": 10**12}), "cannot be cut"),
    Hostile(
        "endless warm-up", _recipe(scheduler={"warmup_epochs": 1e308}), "warmup_epochs.*should be at most"
    ),
    Hostile(
        "huge images", _recipe(transforms={"train": [{"type": "resize", "size": 10**9}]}), "should be at most"
    ),
    Hostile(
        "huge margins",
        _recipe(transforms={"train": [{"type": "pad", "padding": 10**9}]}),
        "should be at most",
    ),
    Hostile(
        "a wide network", _recipe(model={"type": "resnet9", "width": 10**9}), "model.width.*should be at most"
    ),
    Hostile(
        "much data",
        _recipe(data={"type": "shapes", "num_train": 10**12}),
        "data.num_train.*should be at most",
    ),
    Hostile(
        "more data than memory",
        _recipe(data={"type": "shapes", "num_train": 10**7, "image_size": 1024}),
        "take more than 4 GB",
        words=_RUN,
    ),
    Hostile("many transforms", _recipe(transforms={"train": ["normalize"] * 50_000}), "at most 1,000"),
    Hostile("many names", _recipe(transforms={"train": ["xyz"] * 50_000}), "mend the problems"),
    Hostile("many settings", _recipe(train={f"k{n}": n for n in range(50_000)}), "unknown setting"),
    Hostile(
        "many patterns", _recipe(model={"type": "resnet9", "freeze": [1] * 90_000}), "should be a string"
    ),
    Hostile("many losses", _recipe(loss=_deep_loss(10)), "at most 1,000"),
)
PATHS = (
    Hostile("leaves its folder", _recipe(name="../evil"), "name: should be up to 100"),
    Hostile("a path as a name", _recipe(name="/tmp/evil"), "name: should be up to 100"),
    Hostile("NUL in a path", _recipe(output_dir="runs\0evil"), "U\\+0000, which is no text", words=_RUN),
    Hostile("runs in a device", _recipe(output_dir="/dev/null"), "cannot be made", words=_RUN),
    Hostile("runs in a file", _runs_in_a_file, "cannot be made", words=_RUN),
    Hostile("runs too far down", _recipe(output_dir="runs/" + "a" * 4000), "cannot be made", words=_RUN),
    Hostile(
        "somebody's home",
        _recipe(data={"type": "mnist", "root": "~no-one/x"}),
        "there is no home folder ~no-one",
    ),
    Hostile(
        "data from a device", _recipe(data={"type": "mnist", "root": "/dev/zero"}), "/dev/zero", 3, words=_RUN
    ),
    Hostile(
        "weights from a device",
        _recipe(model={"type": "resnet9", "pretrained": "/dev/zero"}),
        "names no weights",
        words=_RUN,
    ),
    Hostile("weights that never come", _piped_weights, "there is no weights file", 3, words=_RUN),
)
CODE = (
    Hostile("a plugin above", _recipe(plugins=["../evil.py"]), _OUTSIDE),
    Hostile("a plugin by detour", _recipe(plugins=["./x/../../evil.py"]), _OUTSIDE),
    Hostile("a plugin anywhere", _plugin_anywhere, _OUTSIDE),
    Hostile("a plugin behind a link", _linked_plugin, _OUTSIDE),
    Hostile("a plugin that is forbidden", _recipe(plugins=["./beside.py"]), "is not loaded", words=_SETTLED),
    Hostile(
        "a plugin from the network",
        _recipe(plugins=["https://127.0.0.1:9/evil.py"]),
        "There is no plugin file",
        4,
    ),
    Hostile(
        "advice to install",
        _recipe(plugins=["x @ https://127.0.0.1:9/x.whl"]),
        _OUTSIDE + "|names no plugin|no plugin file",
        4,
    ),
    Hostile("advice for the shell", _recipe(plugins=["x'; id '"]), "names no plugin", 4),
    Hostile("a path of Python", _recipe(model="os.system"), 'there is no model "os.system"'),
    Hostile("a module", _recipe(model="builtins/eval"), "builtins, which is not installed"),
    Hostile("a call", _recipe(model="__import__('os').system('id')"), "there is no model"),
    Hostile("a template", _recipe(model="{0.__class__}%s${id}"), "there is no model"),
    Hostile("a private name", _recipe(optimizer={"type": "sgd", "__class__": "x"}), "unknown setting"),
    Hostile("steers the terminal", _recipe(model="\x1b]0;owned\x07\x1b[2J"), r"\\u001b.*which is no text"),
    Hostile("turns the text", _recipe(model="\u202eresnet"), r'there is no model "\\u202eresnet"'),
    Hostile("an address", _recipe(**{"$schema": "https://127.0.0.1:9/evil.json"}), "is right", 0),
)
ALL = {
    "files": FILES,
    "JSON": JSON,
    "YAML": YAML,
    "TOML": TOML,
    "sizes": SIZES,
    "paths": PATHS,
    "code": CODE,
}


REFUSED = Path(os.devnull)
"""Where a recipe tries to make a folder; that the system refuses it is part of the check."""


def check_hostile_recipes() -> list[Trial]:
    """Give each of the recipes to the command line.

    Returns:
        a trial for each; its problem is empty when exit code and answer are those expected, and nothing
        ran, and nothing was written but in the run's folder.
    """
    with workspace() as folder:
        trials: list[Trial] = in_child(lambda: _check_all(folder))
        return trials


def _check_all(folder: Path) -> list[Trial]:
    folder = folder.resolve()
    (folder / "evil.py").write_text("raise SystemExit('it ran')\n")
    runs = folder / "work" / "runs"
    runs.mkdir(parents=True)
    os.chdir(runs.parent)
    CliRunner().invoke(application, ["list-plugins"])
    watch = Watch([runs, REFUSED], trusted_code())
    return [
        Trial(
            hostile.harm,
            hostile.words[-2],
            group,
            _try(hostile, folder / "work" / f"{group}-{number}", watch),
        )
        for group, hostiles in ALL.items()
        for number, hostile in enumerate(hostiles)
    ]


def _try(hostile: Hostile, folder: Path, watch: Watch) -> str:
    """What is not as it should be with the answer to a recipe; empty: nothing."""
    folder.mkdir()
    (folder / "beside.py").write_text("raise SystemExit('it ran')\n")
    file = folder / hostile.name
    _write(hostile.content, file)
    watch.seen.clear()
    begin, watch.on = time.perf_counter(), True
    try:
        result = CliRunner().invoke(application, [word.replace("{}", str(file)) for word in hostile.words])
    finally:
        watch.on = False
    seconds = time.perf_counter() - begin
    shutil.rmtree(folder)
    if watch.seen:
        return "; ".join(watch.seen)
    if result.exit_code != hostile.code or not re.search(hostile.answer, result.output, re.DOTALL):
        return f"exit code {result.exit_code}: {result.output[:500]}"
    if "Traceback" in result.output or STEERING.search(result.output) or len(result.output) > LONGEST_ANSWER:
        return f"an answer that nobody should see: {result.output[:500]!r}"
    return f"took {seconds:.0f} s" if seconds > LONGEST_SECONDS else ""


def _write(content: Content, file: Path) -> None:
    if callable(content):
        content(file)
    elif isinstance(content, bytes):
        file.write_bytes(content)
    else:
        file.write_text(content if isinstance(content, str) else json.dumps(content))
