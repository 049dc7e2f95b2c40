"""What a training loop adds to a bare PyTorch step."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from bench_plugin import NUM_CLASSES, SIDE, make_two_layers
from imgfw_runs import timed_training
from measuring import Effort, Seconds, Spread, Stopwatch, Variant, differences, interleave, ratios
from page import goals, table
from torch import Tensor, nn

BATCH_SIZE = 64
LR = 0.01
MOMENTUM = 0.9


class Batches:
    """The input of every loop but imgfw's own: each epoch a new order, one gather and one conversion a batch.

    Written as a careful person would write it by hand.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        generator = torch.Generator().manual_seed(0)
        shape = (steps * BATCH_SIZE, 1, SIDE, SIDE)
        self._images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
        self._labels = torch.randint(0, NUM_CLASSES, shape[:1], generator=generator)

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in torch.randperm(len(self._images)).split(BATCH_SIZE):
            yield self._images.index_select(0, rows).float() / 255, self._labels.index_select(0, rows)


def make_model() -> tuple[nn.Module, torch.optim.Optimizer]:
    """The model of every loop, and its optimizer."""
    torch.manual_seed(0)
    model = make_two_layers()
    return model, torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM, fused=True)


def raw(steps: int) -> Seconds:
    """The bare loop."""
    model, optimizer = make_model()
    batches = Batches(steps)
    for _ in range(2):
        watch = Stopwatch()
        for images, labels in batches:
            optimizer.zero_grad(set_to_none=True)
            loss = nn.functional.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
    return watch.read()


def imgfw_loop(steps: int) -> Seconds:
    """`imgfw.run` with everything that a recipe leaves to its defaults."""
    return timed_training(
        {
            "data": {"type": "resident", "samples": steps * BATCH_SIZE},
            "split": {"val_fraction": 0.0},
            "loader": {"batch_size": BATCH_SIZE},
            "model": "two_layers",
            "optimizer": {"type": "sgd", "lr": LR, "momentum": MOMENTUM},
            "train": {"epochs": 3, "device": "cpu"},
            # Epoch 1 is the best for good, and nothing is written in the background of epoch 3.
            "checkpoint": {"monitor": "train/loss", "mode": "max", "every": 3},
        }
    )


def variants(steps: int, with_peers: bool) -> dict[str, Variant]:
    """All loops, by what they are called in the table."""
    chosen: dict[str, Variant] = {"bare loop": lambda: raw(steps), "imgfw": lambda: imgfw_loop(steps)}
    if with_peers:
        from peers import Training, peers

        chosen |= peers(Training(make_model, lambda: Batches(steps)))
    return chosen


def measure(effort: Effort, with_peers: bool = True) -> str:
    """Measure, and write the section of the page."""
    measured = interleave(variants(effort.steps, with_peers), effort.rounds)
    micros = {
        name: [seconds.per(effort.steps).cpu * 1e6 for seconds in runs] for name, runs in measured.items()
    }
    walls = {
        name: [seconds.per(effort.steps).wall * 1e6 for seconds in runs] for name, runs in measured.items()
    }
    bare, bare_wall = micros["bare loop"], walls["bare loop"]
    rows = [
        [
            name,
            Spread.of(values).show(".0f"),
            "" if name == "bare loop" else differences(values, bare).show("+.0f"),
            "" if name == "bare loop" else ratios(values, bare).show(".2f"),
            "" if name == "bare loop" else differences(walls[name], bare_wall).show("+.0f"),
        ]
        for name, values in micros.items()
    ]
    header = ["loop", "CPU us a step", "added us (CPU)", "ratio (CPU)", "added us (wall)"]
    added = {name: differences(values, bare) for name, values in micros.items() if name != "bare loop"}
    note = _NOTE.format(rounds=effort.rounds, steps=effort.steps)
    reached = [("added us (CPU)", "50 or less; 25 if possible", added["imgfw"].show("+.0f"))]
    return "\n\n".join([note, table(header, rows), *_reasons(added), goals(reached)])


def _reasons(added: dict[str, Spread]) -> list[str]:
    """Why other loops add less than imgfw, where they do."""
    return [
        f"{name} adds less than imgfw: {_REASONS.get(name, 'what it leaves out does not explain it')}."
        for name, spread in added.items()
        if spread.median < added["imgfw"].median
    ]


_REASONS = {
    "Fabric": "its loop is written by hand, so it does none of what is counted for imgfw but the step",
    "Ignite": "of what is counted for imgfw it does nothing but the step and the events of its engine",
    "accelerate": "its loop is written by hand, so it does none of what is counted for imgfw but the step",
}
"""What a loop leaves out, told where it adds less than imgfw."""


_NOTE = """\
Two linear layers on 64 grey images of 16x16 pixels; SGD with momentum, fused; one thread. Each loop runs two
epochs of {steps} steps a round (imgfw three), and the last, in which nothing is saved, is timed from its
start to its end; {rounds} rounds, interleaved; added time and ratio are taken within a round. Every loop does
the same input work: a new order each epoch, one gather a batch from a uint8 tensor, one conversion to float.

Counted for imgfw is everything that `imgfw.run` does in an epoch with the defaults: planning the epoch's
batches, fetching them, the check that the loss is finite, the running loss, the schedule, the look at
signals, the callbacks (one, which listens to no step), a log line and an event every 100 steps. Not counted:
building, evaluation, saving. The bare loop does nothing of the kind. The other loops get finished batches
from the bare loop's own Python iterator, which favours them over their own loaders, and have neither progress
bar nor checkpoints. They log nothing, but for three: "one `self.log`" logs the loss each step, to a CSV file
that is written every 50 steps, as the defaults have it; Ignite's trainer reads the loss each step; fastai's
recorder keeps each step's loss and learning rate."""
