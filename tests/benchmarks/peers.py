"""The same training in other loops and frameworks, each used as its documentation shows."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from measuring import Seconds, Stopwatch, Variant
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset


@dataclass(frozen=True)
class Training:
    """A training that each framework does in its own loop.

    Attributes:
        make: the model and its optimizer.
        batches: makes what an epoch's images and labels come from: a `for` takes it and `len` counts it.
        epochs: the last is timed, from its start to its end.
        device: of the model: `cpu` or `cuda`.
        tuned: in bf16 with images in channels last, as a careful user sets them on a GPU.
    """

    make: Callable[[], tuple[nn.Module, torch.optim.Optimizer]]
    batches: Callable[[], Any]
    epochs: int = 2
    device: str = "cpu"
    tuned: bool = False

    def laid_out(self, images: Tensor) -> Tensor:
        """Images in the memory format of the model."""
        return images.contiguous(memory_format=torch.channels_last) if self.tuned else images


def peers(training: Training) -> dict[str, Variant]:
    """The frameworks whose loop is compared, by what they are called in the table.

    Raises:
        ModuleNotFoundError: one is not installed; `pip install .[bench]` brings all.
    """
    import accelerate
    import ignite
    import lightning

    assert accelerate and ignite and lightning
    return {
        "Fabric": lambda: fabric(training),
        "Ignite": lambda: ignite_trainer(training),
        "accelerate": lambda: accelerate_loop(training),
        "accelerate, its loader": lambda: accelerate_loop(training, own_loader=True),
        "fastai": lambda: fastai_learner(training),
        "Lightning": lambda: lightning_trainer(training, log=False),
        "Lightning, one `self.log`": lambda: lightning_trainer(training, log=True),
    }


def tutorial_loop(training: Training) -> Seconds:
    """The loop of PyTorch's tutorials."""
    model, optimizer = training.make()
    batches = training.batches()
    for _ in range(training.epochs):
        watch = Stopwatch()
        model.train()
        running_loss = 0.0
        for images, labels in batches:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
    return watch.read()


def careful_loop(training: Training) -> Seconds:
    """A loop by a careful hand, for any device: nothing waits for it within an epoch."""
    model, optimizer = training.make()
    batches = training.batches()
    for _ in range(training.epochs):
        watch = Stopwatch()
        model.train()
        for images, labels in batches:
            images, labels = (part.to(training.device, non_blocking=True) for part in (images, labels))
            optimizer.zero_grad()
            with torch.autocast(training.device, torch.bfloat16, enabled=training.tuned):
                loss = F.cross_entropy(model(training.laid_out(images)), labels)
            loss.backward()
            optimizer.step()
    return watch.read()


def fabric(training: Training) -> Seconds:
    """Lightning's Fabric, in a loop written by hand."""
    from lightning.fabric import Fabric

    _hush("lightning.fabric")
    library = Fabric(accelerator="cpu", devices=1)
    model, optimizer = library.setup(*training.make())
    batches = training.batches()
    for _ in range(training.epochs):
        watch = Stopwatch()
        for images, labels in batches:
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(model(images), labels)
            library.backward(loss)
            optimizer.step()
    return watch.read()


def ignite_trainer(training: Training) -> Seconds:
    """Ignite's supervised trainer."""
    from ignite.engine import Events, create_supervised_trainer

    _hush("ignite")
    trainer = create_supervised_trainer(*training.make(), F.cross_entropy)
    timer = EpochTimer()
    trainer.add_event_handler(Events.EPOCH_STARTED, lambda engine: timer.start())
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: timer.stop())
    trainer.run(training.batches(), max_epochs=training.epochs)
    return timer.seconds


def accelerate_loop(training: Training, own_loader: bool = False) -> Seconds:
    """Accelerate, in a loop written by hand.

    Args:
        training: what to do.
        own_loader: fetch through a DataLoader that accelerate has prepared, as its documentation does.
    """
    from accelerate import Accelerator

    _hush("accelerate")
    accelerator = Accelerator(cpu=True)
    model, optimizer = accelerator.prepare(*training.make())
    batches = training.batches()
    if own_loader:
        loader = batches if isinstance(batches, DataLoader) else DataLoader(_Stream(batches), batch_size=None)
        batches = accelerator.prepare(loader)
    for _ in range(training.epochs):
        watch = Stopwatch()
        for images, labels in batches:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            accelerator.backward(loss)
            optimizer.step()
    return watch.read()


class _Stream(IterableDataset[tuple[Tensor, Tensor]]):
    def __init__(self, batches: Any) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(self._batches)


def fastai_learner(training: Training) -> Seconds:
    """fastai's Learner, with neither progress bar nor printing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch.jit, as fastai is imported
        from fastai.callback.core import Callback
        from fastai.data.core import DataLoaders
        from fastai.learner import Learner
        from fastai.optimizer import OptimWrapper

    timer = EpochTimer()

    class Timed(Callback):  # type: ignore[misc]
        def before_train(self) -> None:
            timer.start()

        def after_train(self) -> None:
            timer.stop()

    model, optimizer = training.make()
    learner = Learner(
        DataLoaders(training.batches(), []),  # nothing to validate on
        model,
        loss_func=F.cross_entropy,
        opt_func=lambda parameters, **settings: OptimWrapper(opt=optimizer),
        lr=optimizer.param_groups[0]["lr"],
        cbs=[Timed()],
    )
    with learner.no_logging():
        learner.fit(training.epochs)
    return timer.seconds


def lightning_trainer(training: Training, log: bool) -> Seconds:
    """Lightning's Trainer, with neither progress bar nor checkpoints.

    Args:
        training: what to do.
        log: log the loss each step, as most modules do.
    """
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.loggers import CSVLogger

    _hush("lightning.pytorch")
    timer = EpochTimer()

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model, self._optimizer = training.make()

        def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
            images, labels = batch
            loss = F.cross_entropy(self.model(training.laid_out(images)), labels)
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
        warnings.simplefilter("ignore")  # of few workers
        trainer = Trainer(
            accelerator=training.device,
            devices=1,
            precision="bf16-mixed" if training.tuned else None,
            max_epochs=training.epochs,
            logger=CSVLogger(folder) if log else False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(Module(), training.batches())
    return timer.seconds


def _hush(library: str) -> None:
    logging.getLogger(library).setLevel(logging.ERROR)


class EpochTimer:
    """The time of the last epoch, told by a framework's own events."""

    seconds: Seconds

    def start(self) -> None:
        """The epoch begins."""
        self._watch = Stopwatch()

    def stop(self) -> None:
        """It is over."""
        self.seconds = self._watch.read()
