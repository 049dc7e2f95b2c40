"""torchvision's semantic segmentation models by their own names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgfw import about

from imgfw_plugins.models.backbones import (
    MOBILENET_V3_LARGE,
    RESNET50,
    RESNET101,
    Backbone,
    check_choices,
    load_backbone,
)
from imgfw_plugins.models.provider import make_provider, pretrained_setting

if TYPE_CHECKING:
    from imgfw import DatasetInfo
    from torch import nn

WEIGHTS = ("COCO_WITH_VOC_LABELS_V1",)
_OUTPUTS = "Takes float images `[B, C, H, W]` and returns a dict: `out`, logits `[B, num_classes, H, W]`"


@dataclass(frozen=True)
class Segmenter:
    """A row of the table: a model's title and paper, its backbone, and where its classes are.

    Attributes:
        title: what it is, as a noun phrase.
        paper: where it was published.
        backbone: the classifier that its backbone comes from.
        classes: prefixes of the parameters whose size depends on the number of classes.
        has_auxiliary: whether it has an auxiliary head, `aux`.
    """

    title: str
    paper: str
    backbone: Backbone
    classes: tuple[str, ...]
    has_auxiliary: bool = True


_DEEPLAB = partial(Segmenter, "DeepLabV3", "Chen et al. 2017, arXiv:1706.05587")
_FCN = partial(Segmenter, "fully convolutional network", "Long et al. 2014, arXiv:1411.4038")
_CLASSES = ("classifier.4.", "aux_classifier.4.")
SEGMENTERS = {
    "deeplabv3_mobilenet_v3_large": _DEEPLAB(MOBILENET_V3_LARGE, _CLASSES),
    "deeplabv3_resnet50": _DEEPLAB(RESNET50, _CLASSES),
    "deeplabv3_resnet101": _DEEPLAB(RESNET101, _CLASSES),
    "fcn_resnet50": _FCN(RESNET50, _CLASSES),
    "fcn_resnet101": _FCN(RESNET101, _CLASSES),
    "lraspp_mobilenet_v3_large": Segmenter(
        "Lite R-ASPP",
        "Howard et al. 2019, arXiv:1905.02244",
        MOBILENET_V3_LARGE,
        ("classifier.low_classifier.", "classifier.high_classifier."),
        has_auxiliary=False,
    ),
}


def _provider(name: str, model: Segmenter) -> Callable[..., Any]:
    auxiliary = ", in training also `aux` of the same shape, which counts half" if model.has_auxiliary else ""
    provider = make_provider(
        name=name,
        module=__name__,
        summary=f"The {model.title} segmentation model `{name}` of torchvision ({model.paper}).",
        notes=[f"{_OUTPUTS}{auxiliary}."],
        settings=[pretrained_setting(WEIGHTS), model.backbone.setting()],
        build=partial(build_segmenter, name, model),
    )
    return about(
        tasks=("segmentation",),
        min_size=1,
        head=("classifier.", "aux_classifier.") if model.has_auxiliary else ("classifier.",),
        auxiliary={"aux": 0.5} if model.has_auxiliary else {},
    )(provider)


def build_segmenter(name: str, model: Segmenter, info: DatasetInfo, settings: dict[str, Any]) -> nn.Module:
    """Build a torchvision segmentation model for the data's classes and channels.

    Args:
        name: as torchvision calls it.
        model: its row of the table.
        info: what is known of the data.
        settings: `pretrained` and `pretrained_backbone`.

    Raises:
        ValueError: for settings that contradict each other or name no weights.
        imgfw.DataError: for weights that cannot be had or don't fit.
    """
    from torchvision import models

    from imgfw_plugins.models.stem import adapt_stem

    pretrained, backbone = settings["pretrained"], settings["pretrained_backbone"]
    check_choices(pretrained, WEIGHTS, model.backbone, backbone)
    options = {"aux_loss": True} if model.has_auxiliary else {}
    built = models.get_model(
        name, weights=None, weights_backbone=None, num_classes=info.num_classes, **options
    )
    adapt_stem(built, info.channels)
    if pretrained is not False:
        _load(built, name, model, pretrained)
    if backbone is not False:
        load_backbone(built, model.backbone, backbone, info)
    return built


def _load(built: nn.Module, name: str, model: Segmenter, pretrained: bool | str | Path) -> None:
    from imgfw_plugins.models.published import read_or_download
    from imgfw_plugins.models.stem import adapt_stem_weights
    from imgfw_plugins.models.weight_loading import load_weights

    state, source = read_or_download(name, pretrained)
    adapt_stem_weights(built, state)
    load_weights(built, state, head=model.classes, source=source)


PROVIDERS = [_provider(name, model) for name, model in SEGMENTERS.items()]
globals().update({provider.__name__: provider for provider in PROVIDERS})
