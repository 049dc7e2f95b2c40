"""Networks as small as can be, a plugin of one file; they draw from the model's randomness in every step."""

from __future__ import annotations

from imgfw import about, hookimpl


@about(tasks=("classification",), min_size=4)
def dropout_classifier(info):
    """A convolution, a batch norm, dropout and a linear layer."""
    from torch import nn

    return nn.Sequential(
        *_convolution(info.channels, 4),
        nn.Dropout2d(0.2),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(16, info.num_classes),
    )


@about(tasks=("segmentation",), min_size=4)
def dropout_segmenter(info):
    """Two convolutions at full resolution, with dropout between them."""
    from torch import nn

    return nn.Sequential(
        *_convolution(info.channels, 4), nn.Dropout2d(0.2), nn.Conv2d(4, info.num_classes, 1)
    )


@about(tasks=("detection",), min_size=16, normalizes_input=True, computes_losses=True)
def dropout_detector(info):
    """torchvision's RetinaNet on one convolution of stride 8, with dropout."""
    from torch import nn
    from torchvision.models.detection import RetinaNet
    from torchvision.models.detection.anchor_utils import AnchorGenerator

    backbone = nn.Sequential(
        nn.AvgPool2d(4), *_convolution(info.channels, 8), nn.AvgPool2d(2), nn.Dropout2d(0.2)
    )
    backbone.out_channels = 8
    return RetinaNet(
        backbone,
        info.num_classes,
        min_size=info.image_size[0],
        max_size=info.image_size[1],
        anchor_generator=AnchorGenerator(((12,),), ((1.0,),)),
        score_thresh=0.0,
        detections_per_img=5,
    )


@about(tasks=("classification",))
def linear_classifier(info):
    """A linear layer over all pixels."""
    from torch import nn

    height, width = info.image_size
    return nn.Sequential(nn.Flatten(), nn.Linear(info.channels * height * width, info.num_classes))


def _convolution(channels, width):
    from torch import nn

    return nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()


@hookimpl
def imgfw_models():
    """The networks of this plugin."""
    return [dropout_classifier, dropout_segmenter, dropout_detector, linear_classifier]
