"""What takes a GPU, in one call under 8 minutes: `python tests/benchmarks/gpu.py FOLDER [PART]...`.

Writes `gpu.json` and `gpu.md` into the folder, again after each part. `--tiny` does the same work on the CPU
with sizes at which no figure means anything.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import resnet
import torch
from comparison import OURS, leads, limit_table, loop_table, rates_of
from image_rate import NORMALIZE, folder_of_photos
from imgfw import InterruptedRun
from imgfw.catalog.catalog import Catalog
from imgfw.engine.console import Console
from imgfw.engine.evaluation import evaluate
from imgfw.engine.input.loading import usable_cores
from imgfw.engine.speed import bench
from imgfw.engine.speed.bare_step import BareStep
from imgfw.engine.speed.measuring import Window, interleave, paired_ratio, window_of
from imgfw.engine.speed.tuning import Workbench
from imgfw_runs import PLUGIN, written
from measuring import Spread
from measuring import interleave as in_rounds
from page import conditions, goals, table

BUDGET = 480.0
"""Seconds; a part that has not begun by four fifths of them is left out."""


@dataclass(frozen=True)
class Sizes:
    """How much of everything.

    Attributes:
        depth: of the large network, a ResNet.
        side: of its images.
        batch_size: of its steps.
        photos: JPEG files that are made, each a little work.
        copies: links to each of them, so that an epoch is long enough.
        few_copies: the same, for the epochs that other loops take part in.
        small: networks for images of 32 pixels, with their settings.
        small_batch_size: of their steps.
        small_batches: of an epoch of theirs; CIFAR-10 has 98.
        batches: of an epoch of the large network's data in memory.
        rounds: windows of each kind.
        seconds: the least that a window lasts.
        loop_rounds: of whole trainings, in which other loops take part.
    """

    device: str = "cuda"
    depth: int = 50
    side: int = 224
    batch_size: int = 256
    photos: int = 64
    copies: int = 256
    few_copies: int = 96
    small: tuple[Mapping[str, Any], ...] = ({"type": "resnet9", "width": 64}, {"type": "resnet18"})
    small_batch_size: int = 512
    small_batches: int = 98
    batches: int = 24
    rounds: int = 5
    seconds: float = 1.0
    loop_rounds: int = 2


TINY = Sizes(
    device="cpu",
    depth=18,
    side=32,
    batch_size=4,
    photos=4,
    copies=2,
    few_copies=2,
    small=({"type": "resnet9", "width": 4},),
    small_batch_size=8,
    small_batches=3,
    batches=3,
    rounds=1,
    seconds=0.01,
    loop_rounds=1,
)


@dataclass(frozen=True)
class Part:
    """What a part of the page says.

    Attributes:
        figures: for the JSON.
        text: for the page, as Markdown.
    """

    figures: dict[str, Any]
    text: str


def in_memory(
    model: Mapping[str, Any] | str, side: int, batch_size: int, batches: int, device: str
) -> dict[str, Any]:
    """A recipe on random images in memory, flipped and normalised; small ones cropped, too.

    Its first epoch is its best for good, and saved; nothing is written beside the steps that are timed.
    """
    crop = [{"type": "random_crop", "size": side, "padding": 4}] if side <= 32 else []
    return {
        "plugins": [PLUGIN],
        "data": {"type": "resident", "samples": batches * batch_size, "channels": 3, "side": side},
        "split": {"val_fraction": 0.0},
        "loader": {"batch_size": batch_size},
        "transforms": {"train": [*crop, "random_horizontal_flip", NORMALIZE], "eval": [NORMALIZE]},
        "model": model,
        "optimizer": {"type": "sgd", "lr": 0.001, "momentum": 0.9},
        "train": {"device": device},
        "checkpoint": {"monitor": "train/loss", "mode": "max", "every": 10**6},
    }


def large(sizes: Sizes) -> dict[str, Any]:
    """The large network on images in memory."""
    return in_memory(f"resnet{sizes.depth}", sizes.side, sizes.batch_size, sizes.batches, sizes.device)


@contextmanager
def from_files(sizes: Sizes) -> Iterator[dict[str, Any]]:
    """The large network on JPEG files of 500x375 pixels, in random resized crops."""
    with folder_of_photos(sizes.photos, sizes.copies) as root:
        crop = [{"type": "random_resized_crop", "size": sizes.side}, "random_horizontal_flip", NORMALIZE]
        resize = [{"type": "resize", "size": [sizes.side, sizes.side]}, NORMALIZE]
        data = {"type": "image_folder", "root": str(root)}
        yield {**large(sizes), "data": data, "transforms": {"train": crop, "eval": resize}}


def benched(recipe: Mapping[str, Any], sizes: Sizes, wanted: str) -> Part:
    """What `imgfw bench` says of a recipe, beside what is wanted of RUN over SOL."""
    with written(recipe) as path:
        effort = bench.Effort(sizes.rounds, sizes.seconds, wall_steps=0)
        measured = bench.bench(path, effort=effort, catalog=Catalog())
    figures = measured.to_json()
    reached = [
        ("RUN over SOL", wanted, f"{figures['run_over_sol']:.3f}"),
        ("host syncs a step", "0", _told(figures["host_syncs_per_step"])),
        ("peak memory, MiB", "none", f"{figures['peak_memory_bytes'] / 2**20:,.0f}"),
        ("MFU", "none", _told(figures["mfu"])),
    ]
    return Part(figures, f"{limit_table(measured)}\n\n{goals(reached)}")


def _told(figure: float | None) -> str:
    return "not known here" if figure is None else f"{figure:.3f}"


def resident(sizes: Sizes) -> Part:
    """The large network on images that lie in the GPU's memory."""
    return benched(large(sizes), sizes, "0.99 or more")


def files(sizes: Sizes) -> Part:
    """The large network on JPEG files."""
    with from_files(sizes) as recipe:
        return benched(recipe, sizes, "0.95 or more")


def decoded(sizes: Sizes) -> Part:
    """The same, the files decoded where the model is."""
    with from_files(sizes) as recipe:
        loader = {**recipe["loader"], "decode": "device"}
        return benched({**recipe, "loader": loader}, sizes, "0.95 or more")


def small(sizes: Sizes) -> Part:
    """Networks for images of 32 pixels."""
    parts = {}
    for model in sizes.small:
        recipe = in_memory(model, 32, sizes.small_batch_size, sizes.small_batches, sizes.device)
        parts[str(model["type"])] = benched(recipe, sizes, "0.97 or more")
    text = "\n\n".join(f"#### `{name}`\n\n{part.text}" for name, part in parts.items())
    return Part({name: part.figures for name, part in parts.items()}, text)


def formats(sizes: Sizes) -> Part:
    """The large network's own step in several number formats, compiled, and as a CUDA graph."""
    with written(large(sizes)) as path:
        workbench = Workbench(path, Catalog())
        windows, failures = dict[str, Window](), dict[str, str]()
        for name, (settings, wrap) in variants(sizes).items():
            try:
                step = wrap(BareStep.on_resident(workbench.parts(settings)))
                windows[name] = window_of(step, workbench.device, 1)
                windows[name](0.0)
            except (RuntimeError, torch.OutOfMemoryError) as error:
                windows.pop(name, None)
                failures[name] = str(error).splitlines()[0]
        rates = interleave(windows, sizes.rounds, sizes.seconds)
        if sizes.device == "cuda":
            rates[BY_TRIAL] = _by_trial(workbench, sizes)
    plain = rates[PLAIN]
    rows = [
        [name, Spread.of(values).show(",.1f"), f"{paired_ratio(values, plain):.2f}"]
        for name, values in rates.items()
    ]
    rows += [[name, f"does not run: {reason}", ""] for name, reason in failures.items()]
    text = table(["step", "SOL, images/s", "over the first"], rows)
    return Part({"rates": rates, "failures": failures}, text)


PLAIN = "fp32, channels first, optimizer not fused"
BY_TRIAL = "bf16, channels last, fused, cuDNN's kernels by trial"


def _by_trial(workbench: Workbench, sizes: Sizes) -> list[float]:
    """The step with the convolutions' kernels that were fastest in a trial, which other trainers can ask for.

    After all else and not in turn with it: what a trial finds, cuDNN uses for the rest of the process.
    """
    torch.backends.cudnn.benchmark = True
    try:
        step = BareStep.on_resident(workbench.parts(variants(sizes)["bf16, channels last, fused"][0]))
        window = window_of(step, workbench.device, 1)
        window(0.0)
        return [window(sizes.seconds) for _ in range(sizes.rounds)]
    finally:
        torch.backends.cudnn.benchmark = False


Wrap = Callable[[BareStep], Callable[[], int]]


def variants(sizes: Sizes) -> dict[str, tuple[dict[str, Any], Wrap]]:
    """What is timed: settings, and what is made of the step with them."""
    plain = {"train.precision": "fp32", "train.channels_last": False, "optimizer.fused": False}
    bf16 = {**plain, "train.precision": "bf16"}
    last = {**bf16, "train.channels_last": True}
    fused = {**last, "optimizer.fused": True}
    chosen: dict[str, tuple[dict[str, Any], Wrap]] = {
        PLAIN: (plain, _as_it_is),
        "bf16": (bf16, _as_it_is),
        "bf16, channels last": (last, _as_it_is),
        "bf16, channels last, fused": (fused, _as_it_is),
    }
    if sizes.device == "cuda":
        fp16 = {**fused, "train.precision": "fp16"}
        chosen |= {
            "fp16, channels last, fused": (fp16, _as_it_is),
            "bf16, channels last, fused, compiled": ({**fused, "train.compile": True}, _as_it_is),
            "bf16, channels last, fused, compiled, CUDA graphs": (
                {**fused, "train.compile": "reduce-overhead"},
                _as_it_is,
            ),
            "bf16, channels last, fused, CUDA graph": (fused, _graphed),
        }
    return chosen


def _as_it_is(step: BareStep) -> Callable[[], int]:
    return step


def _graphed(step: BareStep) -> Callable[[], int]:
    """One step on one batch as a CUDA graph: what the launches of kernels cost shows in the difference."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        images = step()

    def replay() -> int:
        graph.replay()
        return images

    return replay


def evaluation(sizes: Sizes) -> Part:
    """Evaluation of the large network beside its training step and its forward pass alone."""
    recipe = {**large(sizes), "split": {"val_fraction": 0.5}}
    with written(recipe) as path:
        workbench = Workbench(path, Catalog())
        parts, step = workbench.parts({}), BareStep.on_resident(workbench.parts({}))
    jobs, console = parts.eval_jobs("val"), Console(quiet=True)
    kept = [parts.eval_feeder.prepare(raw) for raw in parts.eval_loaders["val"].run(jobs[:4])]
    batches = itertools.cycle(kept)

    def evaluated() -> int:
        evaluate(parts, "val", console)
        return sum(len(indices) for _, indices in jobs)

    def forward() -> int:
        parts.model.eval()
        batch = next(batches)
        with torch.inference_mode(), parts.precision.autocast():
            parts.model(batch.images)
        return len(batch)

    works = {"evaluation": evaluated, "the forward pass alone": forward, "a training step (SOL)": step}
    windows = {name: window_of(work, workbench.device, 1) for name, work in works.items()}
    rates = interleave(windows, sizes.rounds, sizes.seconds)
    rows = [[name, Spread.of(values).show(",.1f")] for name, values in rates.items()]
    over = paired_ratio(rates["evaluation"], rates["a training step (SOL)"])
    reached = [("evaluation over a training step", "1 or more", f"{over:.2f}")]
    return Part(rates, f"{table(['', 'images/s'], rows)}\n\n{goals(reached)}")


def peers(sizes: Sizes) -> Part:
    """The large network on JPEG files in imgfw, and in other loops as a careful user tunes them.

    Each trains two epochs a round, imgfw three; the last is timed, from its start to its end.
    """
    workers = usable_cores() if sizes.device == "cuda" else 0
    job = resnet.Job(sizes.batch_size, sizes.side, sizes.depth, sizes.device, workers)
    with folder_of_photos(sizes.photos, sizes.few_copies) as root:
        variants = resnet.tuned_variants(root, job, with_peers=sizes.device == "cuda")
        measured = in_rounds(variants, sizes.loop_rounds, warm_up=0)
    images = sizes.photos * sizes.few_copies
    wanted = {name: "over 1" for name in measured if name != OURS}
    text = f"{loop_table(measured, images)}\n\n{goals(leads(measured, wanted))}"
    return Part(rates_of(measured, images), text)


PARTS: dict[str, tuple[str, Callable[[Sizes], Part]]] = {
    "resident": ("ResNet-50, data in memory", resident),
    "files": ("ResNet-50, JPEG files", files),
    "decoded": ("ResNet-50, JPEG files decoded on the GPU", decoded),
    "small": ("Images of 32 pixels", small),
    "evaluation": ("Evaluation", evaluation),
    "peers": ("ResNet-50, JPEG files: other loops", peers),
    "formats": ("ResNet-50, number formats", formats),
}
"""Each part's title, and what measures it."""

TINY_WARNING = (
    "Made with `--tiny`: another network and sizes that only show that it runs; no figure means anything."
)


def main(arguments: list[str]) -> None:
    """Measure what is asked for, all by default."""
    parser = argparse.ArgumentParser(description="Measure imgfw on a GPU; nothing is judged.")
    parser.add_argument("folder", type=Path, help="where gpu.json and gpu.md go")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument(
        "--tiny", action="store_true", help="on the CPU, with sizes that only show that it runs"
    )
    asked = parser.parse_args(arguments)
    if unknown := [name for name in asked.parts if name not in PARTS]:
        parser.error(f"there is no part {unknown[0]}; the parts are {', '.join(PARTS)}")
    if not asked.tiny and not torch.cuda.is_available():
        parser.error("torch sees no GPU; --tiny does the same work on the CPU")
    asked.folder.mkdir(parents=True, exist_ok=True)
    began, figures, texts = time.perf_counter(), dict[str, Any](), list[str]()
    for name, (title, work) in PARTS.items():
        if asked.parts and name not in asked.parts:
            continue
        print(f"{name} ...", file=sys.stderr, flush=True)
        if time.perf_counter() - began > 0.8 * BUDGET:
            part = Part({"left_out": "the time was up"}, "Left out: the time was up.")
        else:
            part = _done(work, TINY if asked.tiny else Sizes())
        figures[name] = part.figures
        texts.append(f"### {title}\n\n{part.text}")
        _write(asked.folder, figures, [*([TINY_WARNING] if asked.tiny else []), *texts])
        print(f"{name}: {time.perf_counter() - began:.0f} s since the start", file=sys.stderr, flush=True)


def _done(work: Callable[[Sizes], Part], sizes: Sizes) -> Part:
    """A part's result; one that fails is named, and the others go on."""
    try:
        return work(sizes)
    except InterruptedRun:
        raise
    except Exception as error:  # as where torchcodec is missing: time on a GPU is dear
        traceback.print_exc()
        return Part({"failed": str(error)}, f"Failed: {error}")


def _write(folder: Path, figures: Mapping[str, Any], texts: list[str]) -> None:
    (folder / "gpu.json").write_text(json.dumps(figures, indent=2) + "\n")
    (folder / "gpu.md").write_text("\n\n".join(["## On a GPU", conditions(), *texts]) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
