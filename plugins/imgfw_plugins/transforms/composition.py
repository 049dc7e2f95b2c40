"""Transforms made of transforms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from imgfw import Ge, Len, Transform, about

from imgfw_plugins.transforms.ranges import Probability
from imgfw_plugins.transforms.samples import Row, put, taken

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgfw import Keys
    from torch import Tensor


class _Composition(Transform):
    """Base of transforms that hold others: draws for all of them, each from keys of its own."""

    host_parameters = True

    def __init__(self, name: str, transforms: list[Transform]) -> None:
        for number, child in enumerate(transforms):
            if not isinstance(child, Transform) or child.num_partners:
                raise ValueError(
                    f"transforms[{number}] ({type(child).__name__}) cannot be inside {name}: it"
                    f" {'mixes samples' if isinstance(child, Transform) else 'is not an imgfw.Transform'}"
                )
        self.name = name
        self.transforms = transforms
        if not (self.works_on_samples() or self.works_on_batches()):
            raise ValueError(
                f"{name} holds transforms for single samples and transforms for whole batches;"
                " no stage can do both, so write one for each"
            )

    def works_on_samples(self) -> bool:
        return all(child.works_on_samples() for child in self.transforms)

    def works_on_batches(self) -> bool:
        return all(child.works_on_batches() for child in self.transforms)

    def prefers_batches(self, device_type: str) -> bool:
        return all(child.prefers_batches(device_type) for child in self.transforms)

    def draw_children(self, keys: Keys) -> Row:
        """The parameters of all children, under names with the child's position before them."""
        return {
            f"{number}.{name}": value
            for number, child in enumerate(self.transforms)
            for name, value in child.draw(keys.fold(number)).items()
        }

    def parameters_of(self, number: int, parameters: Row) -> Row:
        """The parameters of one child."""
        start = f"{number}."
        return {
            name.removeprefix(start): value for name, value in parameters.items() if name.startswith(start)
        }

    def change_some(
        self, chosen: Tensor, numbers: Iterable[int], images: Tensor, targets: Any, parameters: Row
    ) -> tuple[Tensor, Any]:
        """Send some samples of a batch, and no others, through children.

        Args:
            chosen: which samples, bool `[B]`, on the host, as the parameters are.
            numbers: of the children, in the order of work.
        """
        rows = chosen.nonzero().squeeze(1)
        if not len(rows):
            return images, targets
        there = rows.to(images.device, non_blocking=True)
        changed, changed_targets = taken(images, there), taken(targets, there)
        for number in numbers:
            child, own = self.transforms[number], self.parameters_of(number, parameters)
            own = {name: value[rows] for name, value in own.items()}
            if not child.host_parameters:
                own = {name: value.to(images.device, non_blocking=True) for name, value in own.items()}
            changed, changed_targets = child.apply_batch(changed, changed_targets, own)
        self.keep_alike(images[0], changed[0])
        return put(images, there, changed), put(targets, there, changed_targets)

    def keep_alike(self, before: Tensor, after: Tensor) -> None:
        """Check that samples which were changed still fit beside those which were not.

        Raises:
            UsageError: when size or type differ.
        """
        if before.shape == after.shape and before.dtype == after.dtype:
            return
        from imgfw import UsageError

        what = "type" if before.shape == after.shape else "size"
        raise UsageError(f"{self.name} holds a transform that changes the images' {what}.", "Put it outside.")


@about(example={"transforms": [{"type": "random_rotation", "degrees": 10}]})
class RandomApply(_Composition):
    """Do several transforms one after the other, or none of them, with a probability.

    Args:
        transforms: what to do; they keep the size of images, and mix no samples.
        p: the probability.

    Raises:
        ValueError: for transforms that cannot be inside.
    """

    def __init__(self, *, transforms: Annotated[list[Transform], Len(1)], p: Probability = 0.5) -> None:
        super().__init__("random_apply", transforms)
        self.p = p

    def draw(self, keys: Keys) -> Row:
        return {"applied": keys.bernoulli(self.p), **self.draw_children(keys)}

    def apply(self, image: Tensor, target: Any, parameters: Row) -> tuple[Tensor, Any]:
        if not parameters["applied"]:
            return image, target
        changed, changed_target = image, target
        for number, child in enumerate(self.transforms):
            own = self.parameters_of(number, parameters)
            changed, changed_target = child.apply(changed, changed_target, own)
        self.keep_alike(image, changed)
        return changed, changed_target

    def apply_batch(self, images: Tensor, targets: Any, parameters: Row) -> tuple[Tensor, Any]:
        numbers = range(len(self.transforms))
        return self.change_some(parameters["applied"], numbers, images, targets, parameters)


@about(example={"transforms": ["random_grayscale", {"type": "random_rotation", "degrees": 10}]})
class RandomChoice(_Composition):
    """Do one of several transforms, chosen at random.

    Args:
        transforms: what to choose from; they keep the size of images, and mix no samples.
        p: how likely each is, as weights of any sum; equally likely without it.

    Raises:
        ValueError: for transforms that cannot be inside, and weights that are not one each or all 0.
    """

    def __init__(
        self,
        *,
        transforms: Annotated[list[Transform], Len(1)],
        p: tuple[Annotated[float, Ge(0)], ...] | None = None,
    ) -> None:
        super().__init__("random_choice", transforms)
        weights = (1.0,) * len(transforms) if p is None else p
        if len(weights) != len(transforms) or not sum(weights):
            raise ValueError(
                f"p is {list(weights)} for {len(transforms)} transforms; write one weight for each, not all 0"
            )
        self.weights = weights

    def draw(self, keys: Keys) -> Row:
        import torch

        bounds = torch.tensor(self.weights).cumsum(0)
        share = keys.uniform(0.0, float(bounds[-1]))
        return {"chosen": torch.bucketize(share, bounds[:-1], right=True), **self.draw_children(keys)}

    def apply(self, image: Tensor, target: Any, parameters: Row) -> tuple[Tensor, Any]:
        number = int(parameters["chosen"])
        changed, changed_target = self.transforms[number].apply(
            image, target, self.parameters_of(number, parameters)
        )
        self.keep_alike(image, changed)
        return changed, changed_target

    def apply_batch(self, images: Tensor, targets: Any, parameters: Row) -> tuple[Tensor, Any]:
        for number in range(len(self.transforms)):
            chosen = parameters["chosen"] == number
            images, targets = self.change_some(chosen, [number], images, targets, parameters)
        return images, targets
