"""What is asked of transforms."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors

from imgfw.contract.dataset import DatasetInfo
from imgfw.contract.errors import ImgfwError, UsageError
from imgfw.contract.transform import Transform
from imgfw.engine.input.pipeline import Pipeline, to_float
from imgfw.testing.samples import copy_of, equal, images_of, info_of, target_of
from imgfw.testing.subject import NotApplicableError, Subject

SIZES = ((41, 35), (83, 71), (261, 243))
"""Sizes that a transform is tried with: the first that it takes, since a crop may need larger ones."""

_UNLIKE = 0.02
"""The mean difference from which images differ by more than interpolation."""

Sample = tuple[Any, Any]
_INDICES = (3, 4, 5, 6)


class Trial:
    """A transform that was built, and samples of a size that it takes."""

    def __init__(self, subject: Subject, task: str, size: tuple[int, int], channels: int = 3) -> None:
        self.subject = subject
        self.info = info_of(task, channels, size)
        self.transform = subject.build(self.info)
        self._pipeline = Pipeline([self.transform], 0, False)

    @property
    def on_samples(self) -> bool:
        """Whether it works on single samples."""
        return not isinstance(self.transform, Transform) or self.transform.works_on_samples()

    @property
    def on_batches(self) -> bool:
        """Whether it works on batches."""
        return isinstance(self.transform, Transform) and self.transform.works_on_batches()

    @property
    def takes_batches(self) -> bool:
        """Whether a batch of the task's targets is one tensor, as such transforms want."""
        return self.on_batches and self.info.task != "detection"

    def samples(self, indices: Sequence[int] = _INDICES) -> list[Sample]:
        """Noise, with targets of the task."""
        images = images_of(self.info, len(indices))
        return [
            (tv_tensors.Image(image), target_of(self.subject, self.info, index))
            for image, index in zip(images, indices, strict=True)
        ]

    def batch(self, samples: list[Sample]) -> tuple[Tensor, Any]:
        """The same samples put together."""
        images = torch.stack([image.as_subclass(Tensor) for image, _ in samples])
        return images, _together([target for _, target in samples])

    def one_by_one(self, samples: list[Sample], indices: Sequence[int] = _INDICES) -> list[Sample]:
        """Run it on single samples."""
        with self.subject.attempt(f"it fails on a sample of {self._what()}"):
            return self._pipeline.apply_to_samples(samples, 0, indices)

    def whole(self, images: Tensor, targets: Any, indices: Sequence[int] = _INDICES) -> tuple[Tensor, Any]:
        """Run it on a batch; one that mixes samples gets the batch itself, turned round, as partners."""
        keys = self._pipeline.keys(0, indices).fold(1)
        with self.subject.attempt(f"it fails on a batch of {self._what()}"):
            parameters = self.transform.draw(keys)
            if self.transform.num_partners:
                partners = [(images.flip(0), targets.flip(0))] * self.transform.num_partners
                mixed: tuple[Tensor, Any] = self.transform.mix_batch(images, targets, partners, parameters)
                return mixed
            applied: tuple[Tensor, Any] = self.transform.apply_batch(images, targets, parameters)
            return applied

    def _what(self) -> str:
        height, width = self.info.image_size or (0, 0)
        return f"{self.info.task}, images [{self.info.channels}, {height}, {width}]"


def _together(targets: list[Any]) -> Any:
    if isinstance(targets[0], tv_tensors.Mask):
        return tv_tensors.Mask(torch.stack([target.as_subclass(Tensor) for target in targets]))
    if isinstance(targets[0], Tensor):
        return torch.stack(targets)
    return torch.tensor(targets) if isinstance(targets[0], int | float) else targets


def trial_of(subject: Subject, task: str, least: int = 0) -> Trial:
    """A trial with the smallest images that the transform takes, of `SIZES[least]` or more."""
    for size in SIZES[least:]:
        trial = Trial(subject, task, size)
        try:
            if trial.on_samples:
                trial.one_by_one(trial.samples())
            elif trial.takes_batches:
                trial.whole(*trial.batch(trial.samples()))
            return trial
        except AssertionError:
            if size == SIZES[-1]:
                raise
    raise AssertionError("unreachable")


def deterministic(subject: Subject) -> None:
    """A sample comes out the same at any time and beside any other samples."""
    trial = trial_of(subject, subject.tasks[0])
    mixes = isinstance(trial.transform, Transform) and trial.transform.num_partners
    hint = "Draw from the keys in draw(), and from nothing else."
    if trial.on_samples:
        runs = []
        for number in range(2):
            _disturb_generators(number)
            runs.append(trial.one_by_one(trial.samples()))
        subject.expect(equal(runs[0], runs[1]), f"twice the same sample and keys make two images. {hint}")
        alone = trial.one_by_one(trial.samples()[1:2], _INDICES[1:2])
        message = "a sample comes out otherwise when it is alone than beside others."
        subject.expect(equal(alone[0], runs[0][1]), f"{message} {hint}")
    if trial.takes_batches:
        images, targets = trial.batch(trial.samples())
        batches = []
        for number in range(2):
            _disturb_generators(number)
            batches.append(trial.whole(images.clone(), targets))
        subject.expect(equal(*batches), f"twice the same batch and keys make two batches. {hint}")
        if not mixes:
            single = trial.whole(images[1:2].clone(), targets[1:2], _INDICES[1:2])
            message = "a sample of a batch comes out otherwise when it is alone."
            subject.expect(_near(single[0][0], batches[0][0][1]), f"{message} {hint}")


def _disturb_generators(number: int) -> None:
    """Put every global generator into some other state."""
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def _near(first: Tensor, second: Tensor) -> bool:
    """Whether images agree within rounding."""
    if first.shape != second.shape:
        return False
    rounding = 1.01 / 255 if not (first.is_floating_point() and second.is_floating_point()) else 1e-3
    difference = (to_float(first).double() - to_float(second).double()).abs()
    return bool((difference <= rounding).all())


def stages(subject: Subject) -> None:
    """What works on samples and what works on batches make the same images and masks."""
    tasks = [task for task in subject.tasks if task != "detection"]
    trial = trial_of(subject, "segmentation" if "segmentation" in tasks else tasks[0])
    if not (trial.on_samples and trial.takes_batches):
        raise NotApplicableError("it works in one stage only")
    singles = trial.one_by_one(trial.samples())
    images, targets = trial.whole(*trial.batch(trial.samples()))
    hint = "Both must make the same of the same parameters, within rounding: a recipe may use either."
    for number, (image, target) in enumerate(singles):
        subject.expect(
            _near(image.as_subclass(Tensor), images[number]),
            f"apply and apply_batch make other images. {hint}",
        )
        if isinstance(target, tv_tensors.Mask):
            same = equal(target.reshape(target.shape[-2:]), targets[number])
            subject.expect(same, f"apply and apply_batch make other masks. {hint}")


def warp(subject: Subject) -> None:
    """What `warp` says makes the image that `apply` makes."""
    trial = trial_of(subject, subject.tasks[0], 1)
    if not (isinstance(trial.transform, Transform) and trial.transform.is_warp()):
        raise NotApplicableError("it is no affine map")
    try:
        joined = Pipeline([trial.transform], 0, False, one_warp=True)
    except UsageError as error:
        raise NotApplicableError(str(error)) from error
    samples = [(_slopes(trial.info), target) for _, target in trial.samples()]
    with subject.attempt("its warp fails"):
        said = joined.apply_to_samples(samples, 0, _INDICES)
    for (image, _), (other, _) in zip(trial.one_by_one(samples), said, strict=True):
        alike = image.shape == other.shape and (to_float(image) - to_float(other)).abs().mean() < _UNLIKE
        subject.expect(
            bool(alike),
            "its warp makes another image than apply. The matrix maps positions (x, y) of the image to the "
            "result's, in pixels from the upper left corner, the first pixel's centre being (0.5, 0.5).",
        )


def _slopes(info: DatasetInfo) -> tv_tensors.Image:
    """An image that changes from place to place, and nowhere at once: uint8 `[C, H, W]`."""
    assert info.image_size is not None
    height, width = info.image_size
    slope = torch.linspace(20, 120, height)[:, None] + torch.linspace(0, 110, width)
    return tv_tensors.Image(slope.expand(info.channels, -1, -1).to(torch.uint8))


def sizes(subject: Subject) -> None:
    """It takes colour and grey images, of odd heights and widths, and makes the size that it states."""
    task = subject.tasks[0]
    least = trial_of(subject, task).info.image_size
    assert least is not None
    for channels in (3, 1):
        for size in (least, (least[0] - 4, least[1] + 28)):
            if channels == 1 and _refuses(subject, info_of(task, 1, size)):
                continue
            trial = Trial(subject, task, size, channels)
            made = []
            if trial.on_samples:
                made += [image for image, _ in trial.one_by_one(trial.samples())]
            if trial.takes_batches:
                made += list(trial.whole(*trial.batch(trial.samples()))[0])
            for image in made:
                _expect_image(trial, image)


def _refuses(subject: Subject, info: DatasetInfo) -> bool:
    """Whether it says when it is built that it isn't for such images."""
    try:
        subject.make(info)
    except ImgfwError:
        return True
    return False


def _expect_image(trial: Trial, image: Any) -> None:
    """See that an image is one still, and of the size that was foretold."""
    subject, info = trial.subject, trial.info
    ok = (
        isinstance(image, Tensor)
        and image.ndim == 3
        and image.shape[0] == info.channels
        and image.numel() > 0
    )
    shape = list(image.shape) if isinstance(image, Tensor) else type(image).__name__
    subject.expect(
        ok, f"of an image [{info.channels}, {info.image_size}] it makes {shape}. Images stay [C, H, W]."
    )
    subject.expect(
        image.dtype == torch.uint8 or bool(image.is_floating_point() and image.isfinite().all()),
        f"its images are {image.dtype}, or not finite. They are uint8 in 0..255, or finite floats.",
    )
    foretell = subject.provider.about.output_size
    if foretell is not None:
        stated, real = foretell(info.image_size, subject.node.settings), tuple(image.shape[-2:])
        subject.expect(
            stated is None or tuple(stated) == real,
            f"about(output_size=…) says that {info.image_size} becomes {stated}, but it becomes {real}.",
        )


def in_place(subject: Subject) -> None:
    """It leaves what it is given as it is."""
    for task in subject.tasks:
        trial = trial_of(subject, task)
        hint = "The data in memory would change with every epoch: work on a copy."
        if trial.on_samples:
            samples = trial.samples()
            before = copy_of(samples)
            trial.one_by_one(samples)
            subject.expect(equal(samples, before), f"it changes the image or target that it is given. {hint}")
        if trial.takes_batches:
            batch = trial.batch(trial.samples())
            before = copy_of(batch)
            trial.whole(*batch)
            subject.expect(equal(batch, before), f"it changes the batch that it is given. {hint}")


def in_step(subject: Subject) -> None:
    """A blob in the image, its mask and its box all go the same way."""
    from imgfw.testing.markers import expect_in_step

    for task in subject.tasks:
        if task in ("segmentation", "detection"):
            for least in (0, 1):  # small images see a small crop's whole, large ones small angles
                expect_in_step(trial_of(subject, task, least))
