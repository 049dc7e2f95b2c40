"""Built-in models: torchvision's, each by its own name, and a few small ones of our own."""

from __future__ import annotations

from imgfw_plugins.models import classification, detection, segmentation
from imgfw_plugins.models.fcos_small import fcos_resnet18_fpn
from imgfw_plugins.models.resnet9 import resnet9
from imgfw_plugins.models.unet import unet

PROVIDERS = [
    *classification.PROVIDERS,
    resnet9,
    *segmentation.PROVIDERS,
    unet,
    *detection.PROVIDERS,
    fcos_resnet18_fpn,
]
