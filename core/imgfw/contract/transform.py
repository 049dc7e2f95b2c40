"""What a transform is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from imgfw.contract.component import Component

if TYPE_CHECKING:
    from torch import Tensor

    from imgfw.contract.random import Keys

Parameters = dict[str, "Tensor"]
Matrix = tuple[tuple[float, float, float], tuple[float, float, float]]
"""The two rows of an affine map of `(x, y, 1)`."""


@dataclass(frozen=True)
class Warp:
    """An affine map of an image onto a new canvas.

    Attributes:
        matrix: from a position in the image to its position on the canvas, `(x, y)` in pixels from the upper
            left corner, so that the centre of the first pixel is at (0.5, 0.5).
        size: the canvas's height and width.
        fill: value where the canvas is not covered, one number or one a channel; masks get the ignore index.
    """

    matrix: Matrix
    size: tuple[int, int]
    fill: float | Sequence[float] = 0.0


class Transform(Component, kind="transforms"):
    """A transform whose randomness is drawn apart from its work.

    `draw` is asked once for a whole batch; `apply` is the work on one sample, in a worker; `apply_batch` is
    the same work on a batch of images of one size, on the device. A transform has at least one of the two;
    where it has both, both must make the same images from the same parameters, within rounding.

    Any callable `(image, target) -> (image, target)` works as a transform too: the core seeds the global
    generators of Python, NumPy and torch around each call from (seed, epoch, sample index), and restores
    them.
    """

    num_partners: ClassVar[int] = 0
    """How many other samples it mixes into each; the core chooses them. Such a transform has `mix_batch`."""

    any_scale: ClassVar[bool] = False
    """Whether it makes the same image of the same picture at another scale, as a resizing does but a crop of
    so many pixels does not. Images are then decoded as small as the following transforms allow."""

    host_parameters: ClassVar[bool] = False
    """Whether `apply_batch` and `mix_batch` get what was drawn in the host's memory, and send on what
    the device needs: to compute a few numbers a sample, or choose samples, without waiting for the device."""

    def draw(self, keys: Keys) -> Parameters:
        """Draw the random parameters of a batch.

        Args:
            keys: one key a sample; sizes are not known yet, so positions are drawn as shares from 0 to 1.

        Returns:
            tensors whose first dimension is the batch; `apply` gets one row of each.
        """
        return {}

    def apply(self, image: Tensor, target: Any, parameters: Parameters) -> tuple[Tensor, Any]:
        """Transform one sample.

        Args:
            image: `torchvision.tv_tensors.Image`, uint8 (float after `to_float`), `[C, H, W]`.
            target: what the task defines; masks and boxes are `tv_tensors`.
            parameters: this sample's row of what `draw` returned.
        """
        raise TypeError(f"{type(self).__name__} works on batches only")

    def apply_batch(self, images: Tensor, targets: Any, parameters: Parameters) -> tuple[Tensor, Any]:
        """Transform a batch.

        For a GPU a thread of imgfw's may call it, one batch after the other, while the model is at work: what
        it makes must depend on nothing but what it is given.

        Args:
            images: uint8 or float tensor `[B, C, H, W]`.
            targets: class indices `[B]`, multi-hot rows `[B, K]`, or masks `[B, H, W]` as `tv_tensors.Mask`.
                A transform that moves pixels must move masks alike.
            parameters: what `draw` returned, on the images' device, or on the host if `host_parameters`.
        """
        raise TypeError(f"{type(self).__name__} works on single samples only")

    def mix_batch(
        self, images: Tensor, targets: Any, partners: list[tuple[Tensor, Any]], parameters: Parameters
    ) -> tuple[Tensor, Any]:
        """Mix a batch with `num_partners` others of its size, for transforms that have partners.

        Returns:
            the mixed images, and targets: `imgfw.MixedTargets` for class targets.
        """
        raise TypeError(f"{type(self).__name__} has no partners")

    def warp(self, height: int, width: int, parameters: Parameters) -> Warp:
        """Say what `apply` does to an image of a size, for a transform that only moves pixels.

        Transforms in a row that can say it are done in one resampling where a recipe asks for that.

        Args:
            height, width: the image's size in pixels.
            parameters: as for `apply`.
        """
        raise TypeError(f"{type(self).__name__} is no affine map")

    def is_warp(self) -> bool:
        """Whether `warp` says all of its work."""
        return type(self).warp is not Transform.warp

    def works_on_samples(self) -> bool:
        """Whether `apply` is implemented."""
        return type(self).apply is not Transform.apply

    def works_on_batches(self) -> bool:
        """Whether `apply_batch` or `mix_batch` is implemented."""
        return (
            type(self).apply_batch is not Transform.apply_batch
            or type(self).mix_batch is not Transform.mix_batch
        )

    def prefers_batches(self, device_type: str) -> bool:
        """Whether a transform that has both works on batches, where the data allows it.

        Say False where `apply_batch` is the slower one. On a CPU say it too where both agree within rounding
        only: there a run's bits don't depend on whether its images are kept.

        Args:
            device_type: where batches are: `cpu`, `cuda`, or another of torch's.
        """
        return True
