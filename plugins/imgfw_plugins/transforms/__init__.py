"""Transforms: augmentation and preprocessing, under torchvision v2's names and settings."""

from __future__ import annotations

from imgfw_plugins.transforms.color import ColorJitter, GaussianBlur, RandomGrayscale
from imgfw_plugins.transforms.composition import RandomApply, RandomChoice
from imgfw_plugins.transforms.cropping import CenterCrop, RandomCrop
from imgfw_plugins.transforms.erasing import RandomErasing
from imgfw_plugins.transforms.geometry import (
    RandomAffine,
    RandomHorizontalFlip,
    RandomRotation,
    RandomVerticalFlip,
)
from imgfw_plugins.transforms.mixing import Cutmix, Mixup
from imgfw_plugins.transforms.normalization import Normalize, ToFloat
from imgfw_plugins.transforms.policies import RandAugment, TrivialAugmentWide
from imgfw_plugins.transforms.resized_cropping import RandomResizedCrop
from imgfw_plugins.transforms.sizing import Pad, Resize

PROVIDERS = [
    CenterCrop,
    ColorJitter,
    Cutmix,
    GaussianBlur,
    Mixup,
    Normalize,
    Pad,
    RandAugment,
    RandomAffine,
    RandomApply,
    RandomChoice,
    RandomCrop,
    RandomErasing,
    RandomGrayscale,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
    ToFloat,
    TrivialAugmentWide,
]
