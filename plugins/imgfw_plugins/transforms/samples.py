"""What transforms share: moving an image together with its target, and one code for both stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgfw import Transform

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

Row = dict[str, "Tensor"]
_PIECE, _PIECE_ON_CPU = 1 << 26, 1 << 19
"""Values of the images in a piece of a batch: 256 MiB as floats, or 2 MiB."""


def move(function: Callable[[Any], Any], image: Tensor, target: Any) -> tuple[Tensor, Any]:
    """Apply a geometric function to an image, or a batch, and to the masks or boxes that lie in its plane.

    Boxes are clamped to the image afterwards. A box with a side under one pixel is removed, with its row of
    every other entry of the target.

    Args:
        function: applied to each part; it can tell them apart by their tv_tensors types.
        image: `[..., C, H, W]`.
        target: of any task; without masks and boxes it is returned as it is.
    """
    from torchvision import tv_tensors

    if isinstance(target, tv_tensors.Mask):
        return function(image), function(target)
    if isinstance(target, dict):
        return function(image), _with_boxes(target, function(target["boxes"]))
    return function(image), target


def _with_boxes(target: dict[str, Any], boxes: Any) -> dict[str, Any]:
    from torchvision import tv_tensors
    from torchvision.transforms.v2 import functional as F

    kept, keep = F.sanitize_bounding_boxes(F.clamp_bounding_boxes(boxes))
    rows = {name: value[keep] for name, value in target.items() if name != "boxes"}
    return {**rows, "boxes": tv_tensors.wrap(kept, like=boxes)}


def fill_of(part: Any, fill: Any, ignore_index: int) -> Any:
    """What uncovered pixels become: nothing is known of them in a mask, so they count for nothing there."""
    from torchvision import tv_tensors

    return ignore_index if isinstance(part, tv_tensors.Mask) else fill


def select(chosen: Tensor, changed: Any, kept: Any) -> Any:
    """Take the samples of `changed` where `chosen` is true, those of `kept` elsewhere.

    Args:
        chosen: bool `[B]`.
        changed: `[B, ...]`.
        kept: `[B, ...]`, a mask or a plain tensor; the result is of its type.
    """
    import torch

    where = chosen.to(kept.device, non_blocking=True).view(-1, *[1] * (kept.ndim - 1))
    return of_type(kept, torch.where(where, changed, kept))


def of_type(part: Any, result: Tensor) -> Any:
    """A result as the kind of tensor that it was made of: a tv_tensor like that one, or a plain one."""
    from torchvision import tv_tensors

    return tv_tensors.wrap(result, like=part) if isinstance(part, tv_tensors.TVTensor) else result


def taken(part: Any, rows: Tensor | slice) -> Any:
    """Some samples of a batch of images or targets; what is no tensor as it is."""
    from torch import Tensor

    if not isinstance(part, Tensor):
        return part
    plain = part.as_subclass(Tensor)
    return of_type(part, plain[rows] if isinstance(rows, slice) else plain.index_select(0, rows))


def put(part: Any, rows: Tensor, changed: Any) -> Any:
    """A batch of images or targets with other samples in some rows."""
    from torch import Tensor

    if not isinstance(part, Tensor) or len(rows) == len(part):
        return changed
    plain, others = part.as_subclass(Tensor), changed.as_subclass(Tensor)
    return of_type(part, plain.index_copy(0, rows, others))


def in_pieces(
    work: Callable[[Tensor, Any, Row], tuple[Tensor, Any]], images: Tensor, targets: Any, parameters: Row
) -> tuple[Tensor, Any]:
    """Do a batch's work in pieces: on a CPU such as fit into its cache, elsewhere such as leave memory free.

    For work in many steps, each of which makes floats of the images; on a CPU images of 224 pixels take half
    the time so.

    Args:
        work: as `apply_batch`, on the parameters where they are.
        images, targets, parameters: the batch; of the targets only masks may change.
    """
    import torch
    from torchvision import tv_tensors

    values = _PIECE_ON_CPU if images.device.type == "cpu" else _PIECE
    size = max(values // images[0].numel(), 1)
    if size >= len(images):
        return work(images, targets, parameters)
    done = []
    for start in range(0, len(images), size):
        rows = slice(start, start + size)
        own = {name: value[rows] for name, value in parameters.items()}
        done.append(work(images[rows], taken(targets, rows), own))
    if isinstance(targets, tv_tensors.Mask):
        targets = tv_tensors.wrap(torch.cat([masks for _, masks in done]), like=targets)
    return torch.cat([changed for changed, _ in done]), targets


def per_image(values: Tensor, images: Tensor) -> Tensor:
    """One number a sample, as a tensor that broadcasts over `[B, C, H, W]` on the images' device."""
    return values.to(images.device, non_blocking=True).view(-1, 1, 1, 1)


def brightest(images: Tensor) -> float:
    """The value of white: 255 in uint8 images, 1 in float ones."""
    return 1.0 if images.is_floating_point() else 255.0


class PixelTransform(Transform):
    """Base of transforms that leave every pixel in its place, hence the targets alone.

    A subclass has `change`; a sample is a batch of one, so both stages make the same images.
    """

    def change(self, images: Tensor, parameters: Row) -> Tensor:
        """Transform images `[B, C, H, W]`, uint8 or float, with one row of each parameter a sample."""
        raise NotImplementedError

    def apply(self, image: Tensor, target: Any, parameters: Row) -> tuple[Tensor, Any]:
        from torch import Tensor
        from torchvision import tv_tensors

        batch_of_one = {name: value.unsqueeze(0) for name, value in parameters.items()}
        changed = self.change(image.as_subclass(Tensor).unsqueeze(0), batch_of_one)
        return tv_tensors.wrap(changed.squeeze(0), like=image), target

    def apply_batch(self, images: Tensor, targets: Any, parameters: Row) -> tuple[Tensor, Any]:
        return self.change(images, parameters), targets
