"""A plugin with a provider of every kind, as its author would write it; the kit finds no fault."""

from __future__ import annotations

from typing import Annotated, Any

import imgfw
from imgfw import Gt, Interval, about, hookimpl


class Grade(imgfw.Task):
    """A number an image; the model returns `[B, 1]`."""

    default_loss = "squared_error"
    default_metrics = ("mean_error",)

    def collate(self, targets):
        import torch

        return torch.tensor(targets, dtype=torch.float32)

    def check(self, targets):
        wrong = (~targets.isfinite()).nonzero().flatten().tolist()
        return [(position, "its number is not finite") for position in wrong]

    def predictions(self, outputs):
        return outputs[:, 0].float()

    def records(self, predictions):
        return [{"number": number} for number in predictions.tolist()]


@about(tasks=("grade", "classification"), min_size=8)
def ladder(info, *, width: int = 4):
    """Two convolutions, batch norm and a linear layer."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(info.channels, width, 3),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Conv2d(width, width, 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, 1 if info.task == "grade" else info.num_classes),
    )


@about(tasks=("grade",))
def squared_error():
    """The mean squared difference."""
    return lambda outputs, targets: (outputs[:, 0].float() - targets).square().mean()


@about(tasks=("classification",))
def rare_first():
    """Cross-entropy that counts class 0 twice."""
    import torch
    from torch.nn.functional import cross_entropy

    def criterion(outputs, targets):
        weight = 1 + (targets == 0).float()
        cost = cross_entropy(outputs.float(), targets, reduction="none")
        return imgfw.Weighted(torch.dot(cost, weight), weight.sum())

    return criterion


@about(example={"of": {"type": "cross_entropy", "label_smoothing": 0.1}})
def at_least(*, of: imgfw.Loss, least: float = 0.01):
    """Another loss, and a constant below which it does not count."""
    return lambda outputs, targets: of(outputs, targets) + least


@about(tasks=("grade",), results=lambda settings: {"mean_error": "min"})
def mean_error():
    """The mean difference, without sign."""
    from torchmetrics import MeanAbsoluteError

    return MeanAbsoluteError()


@about(tasks=("classification",), results=lambda settings: {"hits": "max", "misses": "min"})
def counts():
    """How many were right and how many wrong."""
    import torch
    from torchmetrics import Metric

    class Counts(Metric):
        def __init__(self):
            super().__init__()
            self.add_state("seen", torch.zeros(2), dist_reduce_fx="sum")

        def update(self, predictions, targets):
            right = (predictions.argmax(1) == targets).sum()
            self.seen += torch.stack([right, len(targets) - right])

        def compute(self):
            return {"hits": self.seen[0], "misses": self.seen[1]}

    return Counts()


def solarized(*, p: Annotated[float, Interval(ge=0, le=1)] = 0.5):
    """Invert the bright pixels; a transform of torchvision."""
    from torchvision.transforms import v2

    return v2.RandomSolarize(threshold=128, p=p)


def turned(*, degrees: Annotated[float, Gt(0)] = 90.0):
    """Rotate image, mask and boxes; a transform of torchvision."""
    from torchvision import tv_tensors
    from torchvision.transforms import v2

    fill = {tv_tensors.Image: 0, tv_tensors.Mask: 255}
    return v2.RandomRotation(degrees, fill=fill)


@about(example={"size": 200}, output_size=lambda size, settings: (settings.size, settings.size))
def large_crop(*, size: int):
    """Cut a square out; smaller images are refused."""
    from torchvision.transforms import v2

    return v2.RandomCrop(size)


class Dim(imgfw.Transform):
    """Darken each image by a factor of its own."""

    def draw(self, keys):
        return {"factor": keys.uniform(0.5, 1.0)}

    def apply(self, image, target, parameters):
        return image.mul(parameters["factor"]).to(image.dtype), target

    def apply_batch(self, images, targets, parameters):
        return images.mul(parameters["factor"].view(-1, 1, 1, 1)).to(images.dtype), targets


class Noise:
    """A dataset that makes its pictures from their index; at the top of the module, so that it pickles."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        import torch
        from torchvision import tv_tensors

        generator = torch.Generator().manual_seed(index)
        image = torch.randint(256, (1, 8, 8), dtype=torch.uint8, generator=generator)
        return tv_tensors.Image(image), index / 10


@about(describe=lambda settings: imgfw.DatasetDescription(task="grade", channels=1, image_size=(8, 8)))
def noise(*, count: Annotated[int, Gt(0)] = 10):
    """Noise with a grade."""
    info = imgfw.DatasetInfo(task="grade", classes=("any",), channels=1, image_size=(8, 8))
    return imgfw.Splits(train=Noise(count), test=Noise(3), info=info)


def sign_descent(parameters, *, lr: Annotated[float, Gt(0)] = 0.01):
    """A step of one size, downhill."""
    import torch

    class SignDescent(torch.optim.Optimizer):
        def __init__(self):
            super().__init__(parameters, {"lr": lr})

        @torch.no_grad()
        def step(self):
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.sub_(parameter.grad.sign(), alpha=group["lr"])

    return SignDescent()


def one_wave(optimizer, plan):
    """torch's own one-cycle schedule over the whole run."""
    from torch.optim.lr_scheduler import OneCycleLR

    return OneCycleLR(optimizer, 0.1, total_steps=plan.total_steps + 1)


class Count(imgfw.Callback):
    """Counts steps, and writes them down at the end."""

    def __init__(self) -> None:
        self.steps = 0

    def on_step_end(self, run):
        self.steps += 1

    def on_run_end(self, run):
        (run.folder / "steps.txt").write_text(str(self.steps))

    def state_dict(self):
        return {"steps": self.steps}

    def load_state_dict(self, state):
        self.steps = state["steps"]


@hookimpl
def imgfw_tasks():
    return [Grade]


@hookimpl
def imgfw_models():
    return [ladder]


@hookimpl
def imgfw_losses():
    return [squared_error, rare_first, at_least]


@hookimpl
def imgfw_metrics():
    return [mean_error, counts]


@hookimpl
def imgfw_transforms():
    return [solarized, turned, large_crop, Dim]


@hookimpl
def imgfw_datasets():
    return [noise]


@hookimpl
def imgfw_optimizers():
    return [sign_descent]


@hookimpl
def imgfw_schedulers():
    return [one_wave]


@hookimpl
def imgfw_callbacks():
    return [Count]
