"""timm's augmentation policies."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from imgfw import about

if TYPE_CHECKING:
    from imgfw import DatasetInfo
    from PIL.Image import Image

_MAKERS = {
    "rand": "rand_augment_transform",
    "augmix": "augment_and_mix_transform",
    "original": "auto_augment_transform",
    "originalr": "auto_augment_transform",
    "v0": "auto_augment_transform",
    "v0r": "auto_augment_transform",
    "3a": "auto_augment_transform",
}
_GREY = (128, 128, 128)


@about(tasks=("classification", "multilabel"))
def timm_auto_augment(
    info: DatasetInfo, *, config: str = "rand-m9-mstd0.5-inc1"
) -> Callable[[Any, Any], tuple[Any, Any]]:
    """RandAugment, AugMix or AutoAugment in timm's variants, from timm's configuration string.

    Cubuk et al. 2020, arXiv:1909.13719; Hendrycks et al. 2020, arXiv:1912.02781; Cubuk et al. 2019,
    arXiv:1805.09501. It moves pixels and leaves targets as they are, so it is for classes only.

    Args:
        info: what is known of the data.
        config: the policy, and after each dash a letter and a number. `rand-m9-mstd0.5-inc1` is RandAugment
            with magnitude 9 that varies by 0.5, and with operations that grow with it; further `n` (how many
            operations), `p` (the probability of each). `augmix-m5-w4-d2` is AugMix, with width and depth.
            `original-mstd0.5`, `v0` and `3a` are AutoAugment's policies.

    Images are uint8 `[C, H, W]`; what an operation uncovers is grey.

    Raises:
        ValueError: for a configuration that timm does not know.
    """
    from timm.data import auto_augment

    policy = config.partition("-")[0]
    if policy not in _MAKERS:
        raise ValueError(f'config: timm has no policy "{policy}"; there are {", ".join(_MAKERS)}')
    try:
        augment = getattr(auto_augment, _MAKERS[policy])(config, {"img_mean": _GREY})
    except (AssertionError, ValueError, KeyError) as error:
        raise ValueError(f'config: "{config}" says nothing to timm: {error}') from error
    return _on_tensors(augment)


def _on_tensors(augment: Callable[[Image], Image]) -> Callable[[Any, Any], tuple[Any, Any]]:
    """A function of Pillow's colour images as a transform of samples."""

    def timm_auto_augment(image: Any, target: Any) -> tuple[Any, Any]:
        from torchvision import tv_tensors
        from torchvision.transforms.v2 import functional as F

        mode = "L" if image.shape[0] == 1 else "RGB"
        changed = augment(F.to_pil_image(image).convert("RGB")).convert(mode)
        return tv_tensors.Image(F.pil_to_tensor(changed)), target

    return timm_auto_augment
