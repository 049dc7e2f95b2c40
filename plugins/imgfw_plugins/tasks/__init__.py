"""The built-in tasks."""

from __future__ import annotations

from imgfw_plugins.tasks.classification import Classification
from imgfw_plugins.tasks.detection import Detection
from imgfw_plugins.tasks.multilabel import Multilabel
from imgfw_plugins.tasks.segmentation import Segmentation

PROVIDERS = [Classification, Multilabel, Segmentation, Detection]
