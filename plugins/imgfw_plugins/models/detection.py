"""torchvision's object detectors by their own names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from imgfw import Interval, about

from imgfw_plugins.models.backbones import (
    MOBILENET_V3_LARGE,
    RESNET50,
    VGG16,
    Backbone,
    check_choices,
    load_backbone,
)
from imgfw_plugins.models.provider import Setting, make_provider, pretrained_setting

if TYPE_CHECKING:
    from imgfw import DatasetInfo
    from torch import nn

WEIGHTS = ("COCO_V1",)
Threshold = Annotated[float, Interval(ge=0, le=1)]
Count = Annotated[int, Interval(ge=1, le=16_384)]


@dataclass(frozen=True, kw_only=True)
class Detector:
    """A row of the table.

    Attributes:
        title: what it is, as a noun phrase.
        paper: where it was published.
        backbone: the classifier that its backbone comes from; None where torchvision has no weights that fit.
        classes: prefixes of the parameters whose size depends on the number of classes.
        head: prefixes of the parameters that are no backbone.
        thresholds: defaults of `score_thresh`, `nms_thresh`, `detections_per_img`.
        size: default shorter and longest side that images are resized to; None where it is fixed.
        background: whether its class 0 is the background.
        box_prefix: what the constructor puts before the thresholds' names.
        freezes_norm: whether batch norms of a pretrained backbone are kept as they are.
    """

    title: str
    paper: str
    backbone: Backbone | None
    classes: tuple[str, ...]
    head: tuple[str, ...] = ("head.",)
    thresholds: tuple[float, float, int]
    size: tuple[int, int] | None = (800, 1333)
    background: bool = False
    box_prefix: str = ""
    freezes_norm: bool = True


_FASTER_RCNN = partial(
    Detector,
    title="Faster R-CNN",
    paper="Ren et al. 2015, arXiv:1506.01497",
    classes=("roi_heads.box_predictor.",),
    head=("rpn.", "roi_heads."),
    thresholds=(0.05, 0.5, 100),
    background=True,
    box_prefix="box_",
)
_RETINANET = partial(
    Detector,
    title="RetinaNet",
    paper="Lin et al. 2017, arXiv:1708.02002",
    backbone=RESNET50.at("backbone.body."),
    classes=("head.classification_head.cls_logits.",),
    thresholds=(0.05, 0.5, 300),
)
_SSD = partial(Detector, classes=("head.classification_head.module_list.",), size=None, background=True)
DETECTORS = {
    "fasterrcnn_mobilenet_v3_large_320_fpn": _FASTER_RCNN(
        backbone=MOBILENET_V3_LARGE.at("backbone.body."), size=(320, 640)
    ),
    "fasterrcnn_mobilenet_v3_large_fpn": _FASTER_RCNN(backbone=MOBILENET_V3_LARGE.at("backbone.body.")),
    "fasterrcnn_resnet50_fpn": _FASTER_RCNN(backbone=RESNET50.at("backbone.body.")),
    "fasterrcnn_resnet50_fpn_v2": _FASTER_RCNN(
        paper="Li et al. 2021, arXiv:2111.11429", backbone=RESNET50.at("backbone.body."), freezes_norm=False
    ),
    "fcos_resnet50_fpn": Detector(
        title="FCOS",
        paper="Tian et al. 2019, arXiv:1904.01355",
        backbone=RESNET50.at("backbone.body."),
        classes=("head.classification_head.cls_logits.",),
        thresholds=(0.2, 0.6, 100),
    ),
    "retinanet_resnet50_fpn": _RETINANET(),
    "retinanet_resnet50_fpn_v2": _RETINANET(paper="Zhang et al. 2019, arXiv:1912.02424", freezes_norm=False),
    "ssd300_vgg16": _SSD(
        title="SSD at 300x300",
        paper="Liu et al. 2015, arXiv:1512.02325",
        backbone=VGG16,
        thresholds=(0.01, 0.45, 200),
    ),
    "ssdlite320_mobilenet_v3_large": _SSD(
        title="SSDLite at 320x320",
        paper="Howard et al. 2019, arXiv:1905.02244",
        backbone=None,
        thresholds=(0.001, 0.55, 300),
        freezes_norm=False,
    ),
}


def threshold_settings(score: float, nms: float, detections: int) -> list[Setting]:
    """The settings that decide which predictions a detector returns."""
    return [
        Setting("score_thresh", Threshold, score, "predictions that score lower are dropped, 0 to 1."),
        Setting("nms_thresh", Threshold, nms, "of boxes of a class that overlap more (IoU), one stays."),
        Setting("detections_per_img", Count, detections, "most predictions an image."),
    ]


def _provider(name: str, detector: Detector) -> Callable[..., Any]:
    settings = [pretrained_setting(WEIGHTS)]
    if detector.backbone:
        settings.append(detector.backbone.setting())
    if detector.size:
        shorter, longest = detector.size
        settings += [
            Setting(
                "min_size", Count, shorter, "images are resized so that their shorter side has these pixels,"
            ),
            Setting("max_size", Count, longest, "unless the longer one then had more than these."),
        ]
    settings += threshold_settings(*detector.thresholds)
    provider = make_provider(
        name=name,
        module=__name__,
        summary=f"The {detector.title} object detector `{name}` of torchvision ({detector.paper}).",
        notes=_notes(detector),
        settings=settings,
        build=partial(build_detector, name, detector),
    )
    return detection_facts(detector.head)(provider)


def detection_facts(head: tuple[str, ...]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """What is true of all detectors."""
    return about(tasks=("detection",), min_size=1, head=head, normalizes_input=True, computes_losses=True)


def _notes(detector: Detector) -> list[str]:
    notes = [
        "Takes images in 0..1, which it normalises and resizes itself, and in training targets: a dict an "
        "image with `boxes` (x1, y1, x2, y2 in pixels) and `labels` from 0. Returns a dict of losses in "
        "training, else a dict an image with `boxes`, `labels` and `scores`."
    ]
    if detector.freezes_norm and detector.backbone is not VGG16:
        notes.append("With pretrained weights the backbone's batch norms stay as they are.")
    return notes


def build_detector(name: str, detector: Detector, info: DatasetInfo, settings: dict[str, Any]) -> nn.Module:
    """Build a torchvision detector for the data's classes and channels.

    Args:
        name: as torchvision calls it.
        detector: its row of the table.
        info: what is known of the data.
        settings: a value for each of the provider's settings.

    Raises:
        ValueError: for settings that contradict each other or name no weights.
        imgfw.DataError: for weights that cannot be had or don't fit.
    """
    from torchvision import models

    from imgfw_plugins.models.background import reserve_background

    pretrained, trunk = settings.pop("pretrained"), settings.pop("pretrained_backbone", False)
    check_choices(pretrained, WEIGHTS, detector.backbone, trunk)
    model = models.get_model(
        name,
        weights=None,
        weights_backbone=None,
        num_classes=info.num_classes + detector.background,
        **{_argument(detector, setting): value for setting, value in settings.items()},
    )
    adapt_detector(model, info.channels)
    if pretrained is not False:
        _load(model, name, detector, pretrained)
    if detector.backbone and trunk is not False:
        load_backbone(model, detector.backbone, trunk, info)
    if detector.freezes_norm and (pretrained is not False or trunk is not False):
        freeze_norms(model.backbone)
    if detector.background:
        reserve_background(model)
    return model


def _argument(detector: Detector, setting: str) -> str:
    return setting if setting in ("min_size", "max_size") else detector.box_prefix + setting


def adapt_detector(model: nn.Module, channels: int) -> None:
    """Make a detector for RGB images, and its normalisation, take another number of channels, in place."""
    from imgfw_plugins.models.stem import RGB, adapt_stem

    adapt_stem(model, channels)
    if channels != RGB:
        mean, std = model.transform.image_mean, model.transform.image_std
        model.transform.image_mean = [sum(mean) / RGB] * channels
        model.transform.image_std = [sum(std) / RGB] * channels


def _load(model: nn.Module, name: str, detector: Detector, pretrained: bool | str | Path) -> None:
    from imgfw_plugins.models.published import read_or_download
    from imgfw_plugins.models.stem import adapt_stem_weights
    from imgfw_plugins.models.weight_loading import load_weights

    state, source = read_or_download(name, pretrained)
    adapt_stem_weights(model, state)
    load_weights(model, state, head=detector.classes, source=source)


def freeze_norms(backbone: nn.Module) -> None:
    """Keep batch norms in evaluation mode and untrained, for batches too small to measure statistics on.

    They stay `BatchNorm2d`, so that the state dict is the same with and without pretrained weights.
    """
    from torch import nn

    for norm in backbone.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.eval().requires_grad_(False)
            norm.train = lambda mode=True, norm=norm: norm  # type: ignore[method-assign]


PROVIDERS = [_provider(name, detector) for name, detector in DETECTORS.items()]
globals().update({provider.__name__: provider for provider in PROVIDERS})
