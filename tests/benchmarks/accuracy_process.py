"""A training as a user's script: `accuracy_process.py LOOP ROOT STEPS SEED` prints the test accuracy."""

from __future__ import annotations

import itertools
import sys
import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import FashionMNIST

BATCH_SIZE, EVAL_BATCH_SIZE = 128, 1000
LR = 0.005
MEAN, STD = 0.28604, 0.35302


def make_small_cnn() -> nn.Module:
    """The model that imgfw gets from a plugin; here it costs no import."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10)),
    )


def torchvision_split(root: str, train: bool) -> FashionMNIST:
    """The images as the tutorials read them: from PIL, made tensors and normalised one by one."""
    convert = transforms.Compose([transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))])
    return FashionMNIST(root, train=train, transform=convert)


def loaders(root: str) -> tuple[Any, Any]:
    """The training's batches and the test's, without workers."""
    return (
        DataLoader(torchvision_split(root, train=True), batch_size=BATCH_SIZE, shuffle=True),
        DataLoader(torchvision_split(root, train=False), batch_size=EVAL_BATCH_SIZE),
    )


def make_optimizer(model: nn.Module, steps: int) -> tuple[torch.optim.Optimizer, OneCycleLR]:
    """The optimizer, and its schedule over some steps."""
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    return optimizer, OneCycleLR(optimizer, max_lr=LR, total_steps=steps + 1, cycle_momentum=False)


def tutorial(root: str, steps: int) -> float:
    """The tutorial's loop; returns the accuracy."""
    train, test = loaders(root)
    model = make_small_cnn()
    optimizer, schedule = make_optimizer(model, steps)
    model.train()
    running_loss = 0.0
    endless = itertools.chain.from_iterable(itertools.repeat(train))
    for images, labels in itertools.islice(endless, steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        schedule.step()
        running_loss += loss.item()
    model.eval()
    with torch.no_grad():
        right = sum((model(images).argmax(1) == labels).sum().item() for images, labels in test)
    return float(right / len(test.dataset))


def lightning(root: str, steps: int) -> float:
    """Lightning's Trainer, with its progress bar and its summary off; returns the accuracy."""
    from lightning.pytorch import LightningModule, Trainer

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = make_small_cnn()

        def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
            loss = F.cross_entropy(self.model(batch[0]), batch[1])
            self.log("train/loss", loss)
            return loss

        def test_step(self, batch: tuple[Tensor, Tensor], number: int) -> None:
            right = (self.model(batch[0]).argmax(1) == batch[1]).float().mean()
            self.log("test/accuracy", right)

        def configure_optimizers(self) -> Any:
            optimizer, schedule = make_optimizer(self.model, steps)
            return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    train, test = loaders(root)
    trainer = Trainer(
        accelerator="cpu",
        max_steps=steps,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    module = Module()
    trainer.fit(module, train)
    return float(trainer.test(module, test, verbose=False)[0]["test/accuracy"])


LOOPS = {"tutorial": tutorial, "lightning": lightning}

if __name__ == "__main__":
    warnings.simplefilter("ignore")  # of few workers
    loop, root, steps, seed = sys.argv[1:]
    torch.manual_seed(int(seed))
    print(LOOPS[loop](root, int(steps)))
