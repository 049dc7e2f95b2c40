"""A fault that an author may make is found, by the check that it belongs to, and said in words."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from imgfw import testing

Run = Callable[..., None]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Write a plugin, and run one of its cases: `run(code, "models/tinynet-backward")`."""

    def write_and_run(code: str, name: str, **options: object) -> None:
        file = tmp_path / "faulty.py"
        file.write_text("from __future__ import annotations\nimport imgfw\n" + textwrap.dedent(code))
        [case] = [case for case in testing.cases(file, **options) if case.id == name]
        folder = tmp_path / "case"
        folder.mkdir()
        case.run(folder)

    return write_and_run


def provider(kind: str, name: str, code: str) -> str:
    """A plugin of one provider."""
    return textwrap.dedent(code) + f"\n@imgfw.hookimpl\ndef imgfw_{kind}():\n    return [{name}]\n"


def model(body: str, settings: str = "", facts: str = 'tasks=("classification",)') -> str:
    """A plugin of one model, whose constructor and forward pass are given."""
    head = f'@imgfw.about({facts})\ndef net(info{settings}):\n    """A small network."""\n    import torch\n'
    head += "    from torch import nn\n    class Net(nn.Module):\n"
    return provider(
        "models", "net", head + textwrap.indent(textwrap.dedent(body), " " * 8) + "\n    return Net()"
    )


def transform(body: str, facts: str = "") -> str:
    """A plugin of one transform."""
    code = f'@imgfw.about({facts})\nclass Move(imgfw.Transform):\n    """Move something."""\n'
    return provider("transforms", "Move", code + textwrap.indent(textwrap.dedent(body), "    "))


def loss(body: str, facts: str = 'tasks=("classification",)') -> str:
    """A plugin of one loss, whose body computes `outputs` and `targets`."""
    code = f'@imgfw.about({facts})\ndef cost():\n    """Some loss."""\n    import torch\n'
    code += "    from torch.nn import functional as F\n    def criterion(outputs, targets):\n"
    return provider("losses", "cost", code + textwrap.indent(body, " " * 8) + "\n    return criterion\n")


def metric(body: str, facts: str = 'tasks=("classification",)') -> str:
    """A plugin of one metric, whose methods are given."""
    code = f'@imgfw.about({facts})\ndef share(info):\n    """The share that is right."""\n    import torch\n'
    code += "    from torchmetrics import Metric\n    class Share(Metric):\n"
    return provider(
        "metrics", "share", code + textwrap.indent(textwrap.dedent(body), " " * 8) + "\n    return Share()\n"
    )


def dataset(target: str, facts: str = "", labels: str = "", image: str = "") -> str:
    """A plugin of one dataset of three classes; its target is an expression of `i`."""
    image = image or "torch.full((3, 8, 8), i, dtype=torch.uint8)"
    return provider(
        "datasets",
        "dots",
        f'''
class Dots:
    def __len__(self): return 12
    def __getitem__(self, i):
        import random, torch
        from torchvision import tv_tensors
        return tv_tensors.Image({image}), {target}
    {labels}

@imgfw.about({facts})
def dots():
    """Dots."""
    info = imgfw.DatasetInfo(task="classification", classes=("a", "b", "c"), image_size=(8, 8))
    return imgfw.Splits(train=Dots(), info=info)
''',
    )


def optimizer(step: str) -> str:
    """A plugin of one optimizer, whose update of a parameter is given."""
    return provider(
        "optimizers",
        "downhill",
        f'''
def downhill(parameters, *, lr: float = 0.01):
    """Steps downhill."""
    import torch
    class Downhill(torch.optim.Optimizer):
        def __init__(self): super().__init__(parameters, dict(lr=lr)); self.seen = 0
        @torch.no_grad()
        def step(self):
            self.seen += 1
            for group in self.param_groups:
                for parameter in group["params"]:
                    {step}
    return Downhill()
''',
    )


def scheduler(result: str) -> str:
    """A plugin of one scheduler."""
    return provider(
        "schedulers",
        "fall",
        'def fall(optimizer, plan):\n    """Fall."""\n    from torch.optim import lr_scheduler\n'
        f"    return {result}\n",
    )


CONVOLUTION = (
    "self.body = nn.Sequential(nn.Conv2d(info.channels, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())"
)
HEAD = "self.head = nn.Linear(4, info.num_classes)"
MOVE_ALL = """
    from torchvision import tv_tensors
    from torchvision.transforms.v2 import functional as F
    if isinstance(target, dict):
        target = {**target, "boxes": F.horizontal_flip(target["boxes"])}
    elif isinstance(target, tv_tensors.Mask):
        target = F.horizontal_flip(target)
"""

FAULTS = {
    "a loss that returns NaN": (
        loss("return -(F.softmax(outputs * 100, 1).log() * F.one_hot(targets, 5)).sum(1).mean()"),
        "losses/cost-finite",
        r"loss cost \(faulty.py:\d+\): it is (nan|inf) for .* of classification. Compute in float32",
    ),
    "a loss that returns one value a sample": (
        loss("return F.cross_entropy(outputs, targets, reduction='none')"),
        "losses/cost-finite",
        r"a tensor of shape \[6\] on classification, not a scalar",
    ),
    "a loss of the detached outputs": (
        loss("return F.cross_entropy(outputs.detach(), targets)"),
        "losses/cost-gradient",
        "depends on no output, so nothing could be learned",
    ),
    "a loss that changes its outputs": (
        loss("outputs.data.mul_(2)\nreturn F.cross_entropy(outputs, targets)"),
        "losses/cost-gradient",
        "it changes the outputs or targets",
    ),
    "a loss of the wrong sign": (
        loss("return -F.cross_entropy(outputs, targets)"),
        "losses/cost-perfect",
        "a perfect prediction of classification costs .*, a wrong one .* is its sign right",
    ),
    "a loss that weighs samples, and hides the weights": (
        loss("return F.cross_entropy(outputs, targets, weight=torch.tensor([1., 9, 1, 1, 1]))"),
        "losses/cost-split_batches",
        r"has the loss .*, its parts put together .*imgfw.Weighted\(sum, weight\)",
    ),
    "a transform that moves the image, but not the mask": (
        transform("def apply(self, image, target, parameters):\n    return image.flip(-1), target"),
        "transforms/move-in_step",
        r"transform move \(faulty.py:\d+\): it moves the image without the mask.*in 48 of 48 samples",
    ),
    "a transform that moves the image by a few degrees, but not the mask": (
        transform(
            "def draw(self, keys): return {'angle': keys.uniform(-6, 6)}\n"
            "def apply(self, image, target, parameters):\n"
            "    from torchvision.transforms.v2 import functional as F\n"
            "    return F.rotate(image, float(parameters['angle'])), target"
        ),
        "transforms/move-in_step",
        "it moves the image without the mask",
    ),
    "a function that mirrors some images, but not the mask": (
        provider(
            "transforms",
            "mirror",
            '''
def mirror():
    """Mirror an image at times."""
    import random
    return lambda image, target: (image.flip(-1) if random.random() < 0.3 else image, target)
''',
        ),
        "transforms/mirror-in_step",
        "it moves the image without the mask",
    ),
    "a transform that moves the mask, but not the boxes": (
        transform(
            "def apply(self, image, target, parameters):\n"
            "    from torchvision.transforms.v2 import functional as F\n"
            "    if isinstance(target, dict): return F.horizontal_flip(image), target\n"
            "    return F.horizontal_flip(image), F.horizontal_flip(target)",
            'tasks=("segmentation", "detection")',
        ),
        "transforms/move-in_step",
        "it moves the image without the boxes",
    ),
    "a transform that moves the mask in samples, but not in batches": (
        transform(
            f"def apply(self, image, target, parameters):{MOVE_ALL}"
            "    return F.horizontal_flip(image), target\n"
            "def apply_batch(self, images, targets, parameters):\n    return images.flip(-1), targets\n"
        ),
        "transforms/move-in_step",
        "moves the image without the mask, or otherwise in apply_batch",
    ),
    "a transform whose stages differ": (
        transform(
            "def apply(self, image, target, parameters):\n    return image, target\n"
            "def apply_batch(self, images, targets, parameters):\n    return images // 2, targets\n"
        ),
        "transforms/move-stages",
        "apply and apply_batch make other images",
    ),
    "a transform that says another map than it is": (
        transform(
            f"def apply(self, image, target, parameters):{MOVE_ALL}"
            "    return F.horizontal_flip(image), target\n"
            "def warp(self, height, width, parameters):\n"
            "    from imgfw import Warp\n"
            "    return Warp(((1, 0, 0), (0, -1, height)), (height, width))\n"
        ),
        "transforms/move-warp",
        "its warp makes another image than apply",
    ),
    "a transform that draws by itself": (
        transform(
            "def apply(self, image, target, parameters):\n"
            "    import torch\n    return image.roll(int(torch.randint(8, ())), -1), target"
        ),
        "transforms/move-deterministic",
        r"twice the same sample and keys make two images. Draw from the keys in draw\(\)",
    ),
    "a transform that works with the statistics of the batch": (
        transform(
            "def apply_batch(self, images, targets, parameters):\n"
            "    return images.float() / images.float().mean(), targets"
        ),
        "transforms/move-deterministic",
        "a sample of a batch comes out otherwise when it is alone",
    ),
    "a transform in place": (
        transform(
            "def apply(self, image, target, parameters):\n    image.fill_(0)\n    return image, target"
        ),
        "transforms/move-in_place",
        "it changes the image or target that it is given",
    ),
    "a transform for colour images only": (
        transform(
            "def apply(self, image, target, parameters):\n"
            "    assert image.shape[0] == 3\n    return image, target"
        ),
        "transforms/move-sizes",
        r"it fails on a sample of classification, images \[1, 41, 35\]: .*AssertionError",
    ),
    "a transform that makes another size than it states": (
        transform(
            "def apply(self, image, target, parameters):\n    return image[:, 2:], target",
            "output_size=lambda size, settings: size",
        ),
        "transforms/move-sizes",
        r"says that \(41, 35\) becomes \(41, 35\), but it becomes \(39, 35\)",
    ),
    "a dataset whose labels disagree with its info": (
        dataset("1 + i % 3"),
        "datasets/dots-info",
        r"dataset dots \(faulty.py:\d+\): train\[2\]: label 3 is not one of the 3 classes",
    ),
    "a dataset whose labels() disagrees with its targets": (
        dataset("i % 3", labels="def labels(self): return [0] * 12"),
        "datasets/dots-info",
        r"train\[\d+\] has the target \d, but labels\(\) says 0",
    ),
    "a dataset whose target() disagrees with its samples": (
        dataset("i % 3", labels="def target(self, index): return 0"),
        "datasets/dots-info",
        r"train.target\(1\) is another target than that of train\[1\]",
    ),
    "a dataset of float images": (
        dataset("i % 3", image="torch.rand(3, 8, 8)"),
        "datasets/dots-info",
        r"is Image torch.float32 \[3, 8, 8\], not a tv_tensors.Image, uint8",
    ),
    "a dataset that augments": (
        dataset("i % 3", image="torch.randint(256, (3, 8, 8), dtype=torch.uint8)"),
        "datasets/dots-repeatable",
        "is another sample the second time. Random changes belong in a transform",
    ),
    "a dataset that describes itself wrongly": (
        dataset("i % 3", facts="describe=lambda settings: imgfw.DatasetDescription(num_classes=10)"),
        "datasets/dots-describe",
        "says that num_classes is 10, but the data's info has 3",
    ),
    "a dataset that cannot be pickled": (
        dataset("i % 3", labels="def __init__(self): self.open = lambda: None"),
        "datasets/dots-pickle",
        "train cannot be sent to a worker process",
    ),
    "a dataset whose batches are others than its samples": (
        dataset(
            "i % 3",
            labels="def __getitems__(self, indices):\n"
            "        import torch\n"
            "        return torch.zeros(len(indices), 3, 8, 8, dtype=torch.uint8), torch.tensor(indices) % 3",
        ),
        "datasets/dots-batches",
        "returns other images than",
    ),
    "a metric that is wrong when it is merged": (
        metric(
            """
            def __init__(self):
                super().__init__()
                self.right, self.all = 0, 0
            def update(self, predictions, targets):
                self.right += (predictions.argmax(1) == targets).sum()
                self.all += len(targets)
            def compute(self): return self.right / self.all
            def reset(self): super().reset(); self.right, self.all = 0, 0
            """
        ),
        "metrics/share-merge",
        r"one pass over classification gives .* two processes that saw a part each .*add_state",
    ),
    "a metric that averages means of batches": (
        metric(
            """
            def __init__(self):
                super().__init__()
                self.add_state("means", default=[], dist_reduce_fx="cat")
            def update(self, predictions, targets):
                self.means.append((predictions.argmax(1) == targets).float().mean().unsqueeze(0))
            def compute(self):
                from torchmetrics.utilities import dim_zero_cat
                return dim_zero_cat(self.means).mean()
            """
        ),
        "metrics/share-merge",
        r"one pass over classification gives .*, the same in three batches .*sums and counts",
    ),
    "a metric that keeps things when it is reset": (
        metric(
            """
            def __init__(self): super().__init__(); self.all = 0
            def update(self, predictions, targets): self.all += len(targets)
            def compute(self): return torch.tensor(float(self.all))
            """
        ),
        "metrics/share-results",
        r"after reset\(\) the same data gives",
    ),
    "a metric that reports other names than it states": (
        metric(
            """
            def update(self, predictions, targets): pass
            def compute(self): return {"top1": torch.tensor(1.0)}
            """,
            'tasks=("classification",), results=lambda settings: {"top_1": "max"}',
        ),
        "metrics/share-results",
        r"states top_1, but compute\(\) reports top1",
    ),
    "a model with an unused parameter": (
        model(
            f"""
            def __init__(self):
                super().__init__()
                {CONVOLUTION}
                {HEAD}
                self.spare = nn.Linear(4, 4)
            def forward(self, images): return self.head(self.body(images))
            """
        ),
        "models/net-backward",
        r"model net \(faulty.py:\d+\): spare.weight, spare.bias got no gradient from a training step",
    ),
    "a model that cannot take a batch of one": (
        model(
            f"""
            def __init__(self):
                super().__init__()
                {CONVOLUTION}
                {HEAD}
            def forward(self, images):
                features = self.body(images).squeeze()
                return self.head((features - features.mean(0)) / features.std(0))
            """
        ),
        "models/net-batch_of_one",
        "(evaluation fails for one image|it returns|not finite)",
    ),
    "a model that fails for a batch of one": (
        model(
            f"""
            def __init__(self):
                super().__init__()
                {CONVOLUTION}
                self.norm = nn.BatchNorm1d(4, track_running_stats=False)
                {HEAD}
            def forward(self, images): return self.head(self.norm(self.body(images)))
            """
        ),
        "models/net-batch_of_one",
        r"evaluation fails for one image \(classification\): ValueError: Expected more than 1 value",
    ),
    "a model for another number of classes": (
        model(
            f"""
            def __init__(self):
                super().__init__()
                {CONVOLUTION}
                self.head = nn.Linear(4, 1000)
            def forward(self, images): return self.head(self.body(images))
            """
        ),
        "models/net-batch_of_one",
        r"it returns \[1, 1000\], not \[B, 5\].*Use info.num_classes",
    ),
    "a model for colour images only": (
        model(
            f"""
            def __init__(self):
                super().__init__()
                {CONVOLUTION.replace("info.channels", "3")}
                {HEAD}
            def forward(self, images): return self.head(self.body(images))
            """
        ),
        "models/net-grey",
        "evaluation fails for a grey image, though it was built with info.channels 1",
    ),
    "a model that hides what its outputs depend on": (
        model(
            f"""
            def __init__(self):
                super().__init__()
                {CONVOLUTION}
                {HEAD}
                self.shift = torch.randn(4)
            def forward(self, images): return self.head(self.body(images) + self.shift)
            """
        ),
        "models/net-state_dict",
        "with the weights of another build it gives other outputs.*register_buffer",
    ),
    "a model that downloads": (
        model(
            """
            def __init__(self):
                import urllib.request
                urllib.request.urlopen("http://example.org/weights")
            """
        ),
        "models/net-builds",
        "A test must not use the network, but something connects to example.org",
    ),
    "settings with **kwargs": (
        model("pass", settings=", **options"),
        "plugin-loads",
        r"faulty.py is broken: model net has \*\*options: every setting must be a parameter of its own",
    ),
    "settings whose default their type does not allow": (
        model("pass", settings=", *, width: int = None"),
        "models/net-settings",
        "settings with their defaults are refused .*settings.width .*: should be an integer, not null",
    ),
    "settings that let wrong types pass": (
        provider(
            "models",
            "net",
            '''
from typing import Annotated
from pydantic import BeforeValidator
def net(info, *, width: Annotated[int, BeforeValidator(int)] = 4):
    """A small network."""
''',
        ),
        "models/net-settings",
        'the setting width takes "7", a string, for int',
    ),
    "settings of a structure that lets typos pass": (
        provider(
            "models",
            "net",
            '''
from pydantic import BaseModel
class Stem(BaseModel):
    width: int = 4
def net(info, *, stem: Stem = Stem()):
    """A small network."""
''',
        ),
        "models/net-settings",
        "Stem, the type of a setting, lets unknown keys or wrong types pass. Derive it from imgfw.Settings",
    ),
    "a required setting without an example": (
        model("pass", settings=", *, width: int"),
        "models/net-settings",
        "the setting width has no default, and there is no example to try it with",
    ),
    "a missing docstring": (
        transform("pass").replace('"""Move something."""', "x = 1"),
        "transforms/move-docstring",
        "it has no docstring. Its first line is what `imgfw list` shows",
    ),
    "a heavy import at the top of the module": (
        "import torchvision\n" + loss("return F.cross_entropy(outputs, targets)"),
        "plugin-import",
        r"imports torch \(.*faulty.py:3\). Import it inside the provider",
    ),
    "a slow import": (
        "import time\nend = time.process_time() + 0.25\nwhile time.process_time() < end: pass\n"
        + loss("return F.cross_entropy(outputs, targets)"),
        "plugin-import",
        r"takes \d\.\d\d s of processor time, more than 0.2 s",
    ),
    "an optimizer that goes uphill": (
        optimizer('parameter.add_(parameter.grad, alpha=group["lr"])'),
        "optimizers/downhill-quadratic",
        "60 steps take a quadratic function from .* to .*. Is a sign wrong",
    ),
    "an optimizer that forgets how far it was": (
        optimizer('parameter.sub_(parameter.grad, alpha=group["lr"] / self.seen)'),
        "optimizers/downhill-state_dict",
        "after loading its saved state its steps differ",
    ),
    "a scheduler that ends early": (
        scheduler("lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=plan.steps_per_epoch)"),
        "schedulers/fall-total_steps",
        "it fails at step 6 of 23: ValueError: Tried to step 6 times",
    ),
    "a scheduler that has fallen to nothing long before the end": (
        scheduler("lr_scheduler.LinearLR(optimizer, 1.0, 0.0, plan.steps_per_epoch)"),
        "schedulers/fall-total_steps",
        "the rate of step 6 of 23 is 0: it ends early",
    ),
    "a scheduler of negative rates": (
        scheduler("lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / 10.5)"),
        "schedulers/fall-total_steps",
        r"the rate of step 12 of 23 is \[-0.0.*A rate is a number, 0 or more",
    ),
    "a scheduler with hidden state": (
        provider(
            "schedulers",
            "fall",
            '''
def fall(optimizer, plan):
    """Fall."""
    from torch.optim.lr_scheduler import LambdaLR
    steps = iter(range(1000))
    return LambdaLR(optimizer, lambda step: 1 / (1 + next(steps)))
''',
        ),
        "schedulers/fall-state_dict",
        "restored after step 11, its rate at step 13 is .*, not ",
    ),
    "a callback that stumbles over the second epoch": (
        provider(
            "callbacks",
            "Watch",
            '''
class Watch(imgfw.Callback):
    """Watches."""
    def on_epoch_end(self, run): assert run.epoch < 2, "no second epoch"
''',
        ),
        "callbacks/watch-two_epochs",
        "a run of two epochs with it fails: AssertionError: no second epoch",
    ),
    "a callback that does not take its state back": (
        provider(
            "callbacks",
            "Watch",
            '''
class Watch(imgfw.Callback):
    """Watches."""
    seen = 0
    def on_epoch_end(self, run): self.seen += 1
    def state_dict(self): return {"seen": self.seen}
''',
        ),
        "callbacks/watch-state_dict",
        "it saved {'seen': 2}, but after load_state_dict its state is {'seen': 0}",
    ),
    "a task without its default loss": (
        provider(
            "tasks",
            "Grade",
            '''
class Grade(imgfw.Task):
    """A number an image."""
    default_loss = "squared_eror"
    def collate(self, targets):
        import torch
        return torch.tensor(targets)
    def check(self, targets): return []
''',
        ),
        "tasks/grade-batch",
        'its default is missing: there is no loss "squared_eror"',
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault: str, run: Run) -> None:
    code, name, message = FAULTS[fault]
    options = {"targets": {"grade": lambda info, number: 1.5}} if "grade" in name else {}
    with pytest.raises(AssertionError) as failure:
        run(code, name, **options)
    said = str(failure.value)
    assert re.search(message, said), said
    assert isinstance(failure.value, testing.Nonconformity)
