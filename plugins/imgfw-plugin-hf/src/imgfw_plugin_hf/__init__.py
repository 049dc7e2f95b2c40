"""Hugging Face's datasets, models and Hub as parts of imgfw: https://huggingface.co.

Its libraries are imported when something is built, so that listing plugins stays fast.
"""

from __future__ import annotations

from imgfw import hookimpl

from imgfw_plugin_hf.classifier import hf_image_classifier
from imgfw_plugin_hf.dataset import hf_dataset
from imgfw_plugin_hf.push import HfPushToHub


@hookimpl
def imgfw_datasets():
    """Datasets of the Hub, and local ones."""
    return [hf_dataset]


@hookimpl
def imgfw_models():
    """Image classifiers of transformers."""
    return [hf_image_classifier]


@hookimpl
def imgfw_callbacks():
    """Pushing a finished run to the Hub."""
    return [HfPushToHub]
