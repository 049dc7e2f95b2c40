"""Whether `auto` and `imgfw tune` choose well: the training step in every combination of number formats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from gpu import in_memory
from imgfw.catalog.catalog import Catalog
from imgfw.engine.cpu_formats import has_bf16
from imgfw.engine.speed.bare_step import BareStep
from imgfw.engine.speed.measuring import Window, interleave, window_of
from imgfw.engine.speed.tuning import Settings, Workbench
from imgfw_runs import written
from measuring import Spread, ratios
from page import goals, table

Rates = dict[str, list[float]]
"""Images a second of each combination, round by round."""


@dataclass(frozen=True)
class Network:
    """A network, and the images of its steps.

    Attributes:
        name: in the table.
        model: in the recipe.
        side: of the images, in pixels.
        batch_size: of a step.
    """

    name: str
    model: str
    side: int
    batch_size: int


NETWORKS = (
    Network("ResNet-18", "resnet18", 64, 32),
    Network("ResNet-50", "resnet50", 128, 8),
    Network("MobileNetV3-large", "mobilenet_v3_large", 224, 8),
    Network("EfficientNet-B0", "efficientnet_b0", 224, 8),
    Network("ViT-B/16", "vit_b_16", 224, 2),
)

PLAIN = "fp32"

_NOISE = 1.02
"""What is slower by less than this is told of no combination."""


def combinations() -> dict[str, Settings]:
    """Every precision that the CPU has with either memory format, by its name in the table."""
    precisions = ("fp32", "bf16") if has_bf16() else ("fp32",)
    every = [
        {"train.precision": precision, "train.channels_last": last}
        for precision in precisions
        for last in (False, True)
    ]
    return {name_of(settings): settings for settings in every}


def name_of(settings: Settings) -> str:
    """A combination's name, whatever else is set."""
    last = ", channels last" if settings["train.channels_last"] else ""
    return f"{settings['train.precision']}{last}"


@contextmanager
def workbench_of(network: Network) -> Iterator[Workbench]:
    """The training of a network on images in memory, on the CPU."""
    with written(in_memory(network.model, network.side, network.batch_size, 2, "cpu")) as path:
        yield Workbench(path, Catalog())


def chosen_by_auto(workbench: Workbench) -> str:
    """The combination that the engine's rule settles on."""
    train = workbench.own["train"]
    return name_of({f"train.{key}": train[key] for key in ("precision", "channels_last")})


def chosen_by_tune(workbench: Workbench, budget: float) -> str:
    """The combination that `imgfw tune` finds in so many seconds of windows."""
    return name_of(workbench.answer("step", {}, budget, lambda text: None)[0].settings)


def rates_of(workbench: Workbench, rounds: int, seconds: float) -> Rates:
    """Time the step in every combination, interleaved; each has worked once before."""
    windows: dict[str, Window] = {}
    for name, settings in combinations().items():
        windows[name] = window_of(BareStep.on_resident(workbench.parts(settings)), workbench.device)
        windows[name](0.0)
    return interleave(windows, rounds, seconds)


@dataclass(frozen=True)
class Choice:
    """A combination that was chosen, beside all of them.

    Attributes:
        network: for which.
        name: of the combination.
        rates: of all.
    """

    network: Network
    name: str
    rates: Rates

    @property
    def best(self) -> str:
        """The combination that does most better than it, round by round; itself, if none does."""
        return max(self.rates, key=lambda name: self.over(name).median)

    def over(self, other: str) -> Spread:
        """The time of its step over that of another combination's, round by round."""
        return ratios(self.rates[other], self.rates[self.name])

    def row(self) -> list[str]:
        """Its network's row in the table."""
        network = self.network
        times = [
            Spread.of(1000 * network.batch_size / rate for rate in rates).show(",.0f")
            for rates in self.rates.values()
        ]
        label = f"{network.name}, {network.side}, {network.batch_size}"
        return [label, *times, self.name, *(self.over(other).show(".2f") for other in (self.best, PLAIN))]


def measure(rounds: int, seconds: float, budget: float, networks: Sequence[Network] = NETWORKS) -> str:
    """Measure, and write the section of the page.

    Args:
        rounds: windows of each combination.
        seconds: the least that a window lasts.
        budget: seconds of the windows of `imgfw tune`, which chooses for the first network.
        networks: which.
    """
    with workbench_of(networks[0]) as workbench:
        tuned = chosen_by_tune(workbench, budget)
    choices = list[Choice]()
    for network in networks:
        with workbench_of(network) as workbench:
            choices.append(Choice(network, chosen_by_auto(workbench), rates_of(workbench, rounds, seconds)))
    by_tune = Choice(networks[0], tuned, choices[0].rates)
    header = [
        "network, side, batch",
        *(f"{name}, ms" for name in combinations()),
        "`auto`",
        "its time over the best",
        f"over {PLAIN}",
    ]
    note = _NOTE.format(rounds=rounds, seconds=seconds, budget=budget, threads=torch.get_num_threads())
    rows = [choice.row() for choice in choices]
    return "\n\n".join([note, table(header, rows), *beaten(choices), goals(reached(choices, by_tune))])


def beaten(choices: Sequence[Choice]) -> list[str]:
    """Where another combination was faster than the one that `auto` chose, by more than noise."""
    return [
        f"For {choice.network.name}, {choice.best} took {1 - 1 / slower:.0%} less time than `auto`'s choice: "
        "its rule knows the layers and the size of the batch, and nothing that was timed."
        for choice in choices
        if (slower := choice.over(choice.best).median) > _NOISE
    ]


def reached(choices: Sequence[Choice], by_tune: Choice) -> list[tuple[str, str, str]]:
    """The goals, with the network at which `auto` does worst."""
    to_best = max(choices, key=lambda choice: choice.over(choice.best).median)
    to_plain = max(choices, key=lambda choice: choice.over(PLAIN).median)
    name = f"{by_tune.network.name}, `imgfw tune` ({by_tune.name})"
    return [
        _goal(f"{to_best.network.name}, `auto`", "1.10", to_best, to_best.best),
        _goal(f"{to_plain.network.name}, `auto`", "1.02", to_plain, PLAIN),
        _goal(name, "1.05", by_tune, by_tune.best),
    ]


def _goal(what: str, most: str, choice: Choice, other: str) -> tuple[str, str, str]:
    return f"{what}: its time over {other}", f"{most} or less", choice.over(other).show(".2f")


_NOTE = """\
The training step of `imgfw bench`'s SOL (forward, loss, backward, fused SGD with momentum) on batches that
lie ready in memory, in every combination of precision and memory format; {threads} threads. {rounds} rounds,
interleaved, of windows of {seconds:g} s and at least one step; ratios are taken within a round. Sides of the
images are in pixels. `auto` is what a recipe gets that says nothing of the two, the best what had the least
time beside it in the median of the rounds. The goals name the network at which `auto` did worst. `imgfw tune`
had a budget of {budget:g} s for the first network, and is judged by the same rounds, which came after it."""
