"""Callbacks that follow a run in TensorBoard, MLflow or Weights & Biases."""

from __future__ import annotations

from imgfw import hookimpl

from imgfw_plugin_tracking.mlflow import Mlflow
from imgfw_plugin_tracking.tensorboard import Tensorboard
from imgfw_plugin_tracking.wandb import Wandb


@hookimpl
def imgfw_callbacks():
    """The callbacks of this plugin."""
    return [Tensorboard, Mlflow, Wandb]
