"""Datasets: shipped, downloaded, drawn, and from folders."""

from __future__ import annotations

from imgfw_plugins.datasets.cifar import cifar10, cifar100
from imgfw_plugins.datasets.coco_detection import coco_detection
from imgfw_plugins.datasets.digits import digits
from imgfw_plugins.datasets.image_folder import image_folder
from imgfw_plugins.datasets.image_mask_folder import image_mask_folder
from imgfw_plugins.datasets.mnist import fashion_mnist, mnist
from imgfw_plugins.datasets.shapes import shapes

PROVIDERS = [
    cifar10,
    cifar100,
    coco_detection,
    digits,
    fashion_mnist,
    image_folder,
    image_mask_folder,
    mnist,
    shapes,
]
"""Every built-in dataset."""
