"""PyTorch Image Models (timm) as parts of imgfw: https://github.com/huggingface/pytorch-image-models.

timm is imported when something is built, so that listing plugins stays fast.
"""

from __future__ import annotations

from imgfw import hookimpl

from imgfw_plugin_timm.augmentation import timm_auto_augment
from imgfw_plugin_timm.classifier import timm_model
from imgfw_plugin_timm.normalization import TimmNormalize
from imgfw_plugin_timm.optimizer import timm_optimizer
from imgfw_plugin_timm.scheduler import timm_scheduler
from imgfw_plugin_timm.unet import timm_unet


@hookimpl
def imgfw_models():
    """Any classifier of timm, and a U-Net on any of its encoders."""
    return [timm_model, timm_unet]


@hookimpl
def imgfw_optimizers():
    """Any optimizer of timm."""
    return [timm_optimizer]


@hookimpl
def imgfw_schedulers():
    """timm's schedules."""
    return [timm_scheduler]


@hookimpl
def imgfw_transforms():
    """timm's augmentation policies, and the normalisation that weights want."""
    return [timm_auto_augment, TimmNormalize]
