"""FCOS for small images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from imgfw_plugins.models.backbones import RESNET18, check_choices, load_backbone
from imgfw_plugins.models.detection import (
    Count,
    Threshold,
    adapt_detector,
    detection_facts,
    freeze_norms,
)
from imgfw_plugins.models.own_weights import OwnWeights, load_own_weights

if TYPE_CHECKING:
    from imgfw import DatasetInfo
    from torch import nn

_STRIDES = (8, 16, 32, 64)
_UNKNOWN_SIZE = (128, 128)
_CHANNELS = 128
_BODY = RESNET18.at("backbone.body.")


@detection_facts(("head.", "backbone.fpn."))
def fcos_resnet18_fpn(
    info: DatasetInfo,
    *,
    pretrained: OwnWeights = False,
    pretrained_backbone: bool | Literal["IMAGENET1K_V1"] | Path = False,
    min_size: Count | None = None,
    max_size: Count | None = None,
    score_thresh: Threshold = 0.05,
    nms_thresh: Threshold = 0.6,
    detections_per_img: Count = 100,
) -> nn.Module:
    """An FCOS object detector on a ResNet-18 with a feature pyramid, for images of about 64 to 128 pixels.

    torchvision's FCOS (Tian et al. 2019, arXiv:1904.01355) with half the channels and half the scale
    ranges, so that the levels at strides 8, 16, 32 and 64 take objects up to about 32, 64, 128 pixels,
    and above. It learns from scratch: all batch norms train, unless the backbone is pretrained.

    Args:
        info: what is known of the data.
        pretrained: weights to start from: a .safetensors, .pth or .pt file, or false.
        pretrained_backbone: weights of a resnet18 classifier for the backbone alone: true, "IMAGENET1K_V1",
            or a .safetensors, .pth or .pt file; false for none.
        min_size: images are resized so that their shorter side has these pixels; null: the data's own size,
            or 128 where images differ in size.
        max_size: unless the longer side then had more than these; null: the data's own, or 128.
        score_thresh: predictions that score lower are dropped, 0 to 1.
        nms_thresh: of boxes of a class that overlap more (IoU), one stays.
        detections_per_img: most predictions an image.

    Takes images in 0..1, which it normalises and resizes itself, and in training targets: a dict an image
    with `boxes` (x1, y1, x2, y2 in pixels) and `labels` from 0. Returns a dict of losses in training, else a
    dict an image with `boxes`, `labels` and `scores`.
    """
    from torchvision.models.detection import FCOS
    from torchvision.models.detection.anchor_utils import AnchorGenerator

    check_choices(pretrained, (), _BODY, pretrained_backbone)
    height, width = info.image_size or _UNKNOWN_SIZE
    model = FCOS(
        _resnet18_pyramid(),
        info.num_classes,
        min_size=min_size or min(height, width),
        max_size=max_size or max(height, width),
        anchor_generator=AnchorGenerator(
            tuple((stride // 2,) for stride in _STRIDES), ((1.0,),) * len(_STRIDES)
        ),
        score_thresh=score_thresh,
        nms_thresh=nms_thresh,
        detections_per_img=detections_per_img,
    )
    adapt_detector(model, info.channels)
    load_own_weights(model, pretrained, head=("head.classification_head.cls_logits.",))
    if pretrained_backbone is not False:
        load_backbone(model, _BODY, pretrained_backbone, info)
        freeze_norms(model.backbone)
    return model


def _resnet18_pyramid() -> nn.Module:
    from torchvision.models import resnet18
    from torchvision.models.detection.backbone_utils import BackboneWithFPN

    layers = {"layer2": 128, "layer3": 256, "layer4": 512}
    names = {layer: str(level) for level, layer in enumerate(layers)}
    return BackboneWithFPN(resnet18(weights=None), names, list(layers.values()), _CHANNELS)
