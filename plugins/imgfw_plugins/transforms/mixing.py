"""Transforms that mix samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from imgfw import Gt, MixedTargets, Transform, about

from imgfw_plugins.transforms.samples import Row, per_image

if TYPE_CHECKING:
    from imgfw import Keys
    from torch import Tensor

Concentration = Annotated[float, Gt(0)]
ROUNDS = 16
"""Proposals a Gamma draw; each is accepted with a probability above 0.95 (Marsaglia and Tsang, table 1)."""


@about(tasks=("classification", "multilabel"))
class Mixup(Transform):
    """Blend each image with another one, and their targets with the same weight.

    Zhang et al., "mixup: beyond empirical risk minimization" (ICLR 2018). Each sample has its own weight.

    Args:
        alpha: the weight is drawn from Beta(alpha, alpha): near 0 or 1 for a small alpha, uniform for 1.
    """

    num_partners: ClassVar[int] = 1

    def __init__(self, *, alpha: Concentration = 1.0) -> None:
        self.alpha = alpha

    def draw(self, keys: Keys) -> Row:
        return {"weight": beta(keys, self.alpha)}

    def mix_batch(
        self, images: Tensor, targets: Any, partners: list[tuple[Tensor, Any]], parameters: Row
    ) -> tuple[Tensor, Any]:
        others, other_targets = partners[0]
        weight = per_image(parameters["weight"], images)
        mixed = others + weight * (images - others.to(weight.dtype))
        if not images.is_floating_point():
            mixed = mixed.round_().to(images.dtype)
        return mixed, mixed_targets(targets, other_targets, parameters["weight"])


@about(tasks=("classification", "multilabel"))
class Cutmix(Transform):
    """Paste a rectangle of another image, and weigh the targets by area.

    Yun et al., "CutMix: regularization strategy to train strong classifiers with localizable features"
    (ICCV 2019). Each sample has a rectangle of its own, with the image's proportions; what lies outside the
    image is cut off, and the weight is the share that remains of the first image.

    Args:
        alpha: the share of the first image, before the cut, is drawn from Beta(alpha, alpha).
    """

    num_partners: ClassVar[int] = 1

    def __init__(self, *, alpha: Concentration = 1.0) -> None:
        self.alpha = alpha

    def draw(self, keys: Keys) -> Row:
        return {
            "weight": beta(keys.fold(1), self.alpha),
            "center_y": keys.uniform(),
            "center_x": keys.uniform(),
        }

    def mix_batch(
        self, images: Tensor, targets: Any, partners: list[tuple[Tensor, Any]], parameters: Row
    ) -> tuple[Tensor, Any]:
        import torch

        others, other_targets = partners[0]
        height, width = images.shape[-2:]
        half_side = (1 - parameters["weight"]).sqrt() / 2
        rows = _near(parameters["center_y"], half_side, height)
        columns = _near(parameters["center_x"], half_side, width)
        pasted = rows.sum(1) * columns.sum(1)
        inside = (rows.unsqueeze(2) & columns.unsqueeze(1)).unsqueeze(1).to(images.device)
        mixed = torch.where(inside, others, images)
        return mixed, mixed_targets(targets, other_targets, 1 - pasted / (height * width))


def _near(center: Tensor, half_side: Tensor, length: int) -> Tensor:
    """Which pixels have their middle within `half_side` of `center`, as shares: bool `[B, length]`."""
    import torch

    positions = (torch.arange(length, device=center.device) + 0.5) / length
    return (positions - center.unsqueeze(1)).abs() < half_side.unsqueeze(1)


def mixed_targets(first: Tensor, second: Tensor, weight: Tensor) -> Any:
    """Class indices `[B]` become `MixedTargets`; multi-hot rows `[B, K]` become the blend of the two."""
    weight = weight.to(first.device)
    if first.ndim == 1:
        return MixedTargets(first, second, weight)
    return weight.unsqueeze(1) * first + (1 - weight).unsqueeze(1) * second


def beta(keys: Keys, alpha: float) -> Tensor:
    """Draw from Beta(alpha, alpha): float32 `[B]`, in 0..1.

    As X / (X + Y) with X and Y from Gamma(alpha), in logarithms, so that a small alpha cannot make it 0 / 0.
    """
    first, second = log_gamma_variate(keys.fold(1), alpha), log_gamma_variate(keys.fold(2), alpha)
    return (first - second).sigmoid().float()


def log_gamma_variate(keys: Keys, shape: float) -> Tensor:
    """Draw the logarithm of a variate of Gamma(shape, 1): float64 `[B]`.

    Marsaglia and Tsang, "A simple method for generating gamma variables" (ACM TOMS 26, 2000), for shape + 1;
    times U ** (1 / shape) it is one for shape. All proposals are drawn at once and the first that is accepted
    is taken, so how many numbers are drawn depends on nothing.
    """
    import torch

    d = shape + 1 - 1 / 3
    c = 1 / (9 * d) ** 0.5
    normal = torch.special.ndtri(_inside_unit(keys, ROUNDS))
    v = (1 + c * normal) ** 3
    positive = v > 0
    log_v = torch.where(positive, v, 1.0).log()
    accepted = positive & (_inside_unit(keys, ROUNDS).log() < normal.square() / 2 + d * (1 - v + log_v))
    first = accepted.byte().argmax(dim=1, keepdim=True)
    boost = _inside_unit(keys, 1).log().squeeze(1) / shape
    return log_v.gather(1, first).squeeze(1) + torch.log(torch.tensor(d)) + boost


def _inside_unit(keys: Keys, count: int) -> Tensor:
    """Uniform numbers that are never 0 nor 1, float64 `[B, count]`."""
    return keys.uniform(count=count).double() + 2.0**-25
