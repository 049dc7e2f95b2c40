"""The normalisation that a model's published weights were trained with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgfw import Transform, about

from imgfw_plugin_timm.names import check_model

if TYPE_CHECKING:
    from imgfw import DatasetInfo


@about(example={"model": "test_vit"})
class TimmNormalize(Transform):
    """Normalise images as the published weights of a timm model want them; uint8 images become float.

    Args:
        info: what is known of the data. Grey images get the mean over the colours.
        model: the model's name, with the tag of its weights if it has several.

    Raises:
        ValueError: for a name that timm does not know.
    """

    def __init__(self, info: DatasetInfo, *, model: str) -> None:
        config = check_model("model", model)
        self.mean = _for_channels(config.mean, info.channels)
        self.std = _for_channels(config.std, info.channels)

    def apply_batch(self, images: Any, targets: Any, parameters: Any) -> tuple[Any, Any]:
        """Transform images `[B, C, H, W]`, or a list of `[C, H, W]` where sizes differ."""
        from torchvision.transforms.v2 import functional as F

        def normalized(image: Any) -> Any:
            scaled = image if image.is_floating_point() else image.float() / 255
            return F.normalize(scaled, self.mean, self.std)

        if isinstance(images, list):
            return [normalized(image) for image in images], targets
        return normalized(images), targets


def _for_channels(values: tuple[float, ...], channels: int) -> list[float]:
    return list(values) if len(values) == channels else [sum(values) / len(values)] * channels
