"""The same training in other frameworks, each used as its documentation shows."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from measuring import Seconds, Stopwatch, Variant
from step_cost import Batches, make_model
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset


def peers(steps: int) -> dict[str, Variant]:
    """All of them, by what they are called in the table.

    Raises:
        ModuleNotFoundError: one is not installed; `pip install .[bench]` brings all.
    """
    import accelerate
    import ignite
    import lightning

    for module in (accelerate, ignite, lightning):
        logging.getLogger(module.__name__).setLevel(logging.ERROR)
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return {
        "Fabric": lambda: fabric(steps),
        "Ignite": lambda: ignite_trainer(steps),
        "accelerate": lambda: accelerate_loop(steps),
        "accelerate, its loader": lambda: accelerate_loop(steps, own_loader=True),
        "Lightning": lambda: lightning_trainer(steps, log=False),
        "Lightning, one `self.log`": lambda: lightning_trainer(steps, log=True),
    }


def fabric(steps: int) -> Seconds:
    """Lightning's Fabric, in a loop written by hand."""
    from lightning.fabric import Fabric

    library = Fabric(accelerator="cpu", devices=1)
    model, optimizer = library.setup(*make_model())
    batches = Batches(steps)
    for _ in range(2):
        watch = Stopwatch()
        for images, labels in batches:
            optimizer.zero_grad(set_to_none=True)
            loss = nn.functional.cross_entropy(model(images), labels)
            library.backward(loss)
            optimizer.step()
    return watch.read()


def ignite_trainer(steps: int) -> Seconds:
    """Ignite's supervised trainer."""
    from ignite.engine import Events, create_supervised_trainer

    model, optimizer = make_model()
    trainer = create_supervised_trainer(model, optimizer, nn.functional.cross_entropy)
    timer = EpochTimer()
    trainer.add_event_handler(Events.EPOCH_STARTED, lambda engine: timer.start())
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: timer.stop())
    trainer.run(Batches(steps), max_epochs=2)
    return timer.seconds


def accelerate_loop(steps: int, own_loader: bool = False) -> Seconds:
    """Accelerate, in a loop written by hand.

    Args:
        steps: of an epoch.
        own_loader: fetch through a DataLoader that accelerate has prepared, as its documentation does.
    """
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    model, optimizer = accelerator.prepare(*make_model())
    batches: Any = Batches(steps)
    if own_loader:
        batches = accelerator.prepare(DataLoader(_Stream(batches), batch_size=None))
    for _ in range(2):
        watch = Stopwatch()
        for images, labels in batches:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images), labels)
            accelerator.backward(loss)
            optimizer.step()
    return watch.read()


class _Stream(IterableDataset[tuple[Tensor, Tensor]]):
    def __init__(self, batches: Batches) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(self._batches)


def lightning_trainer(steps: int, log: bool) -> Seconds:
    """Lightning's Trainer.

    Args:
        steps: of an epoch.
        log: log the loss each step, as most modules do.
    """
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.loggers import CSVLogger

    timer = EpochTimer()

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model, self._optimizer = make_model()

        def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
            images, labels = batch
            loss = nn.functional.cross_entropy(self.model(images), labels)
            if log:
                self.log("train/loss", loss)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return self._optimizer

        def on_train_epoch_start(self) -> None:
            timer.start()

        def on_train_epoch_end(self) -> None:
            timer.stop()

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = Trainer(
            accelerator="cpu",
            max_epochs=2,
            logger=CSVLogger(folder) if log else False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(Module(), Batches(steps))
    return timer.seconds


class EpochTimer:
    """The time of the last epoch, told by a framework's own events."""

    seconds: Seconds

    def start(self) -> None:
        """The epoch begins."""
        self._watch = Stopwatch()

    def stop(self) -> None:
        """It is over."""
        self.seconds = self._watch.read()
