"""Classifiers as backbones of segmentation and detection models: the setting `pretrained_backbone`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from imgfw_plugins.models.provider import Setting, pretrained_setting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgfw import DatasetInfo
    from torch import nn


@dataclass(frozen=True)
class Backbone:
    """A classifier whose trunk another model contains.

    Attributes:
        name: of the classifier.
        weights: names of its published weights; `true` means the first.
        head: prefixes of the parameters that the other model leaves out.
        prefixes: `(old, new)`: how names in the classifier begin, and in the other model.
    """

    name: str
    weights: tuple[str, ...]
    head: tuple[str, ...]
    prefixes: tuple[tuple[str, str], ...]

    def setting(self) -> Setting:
        """The setting that says which weights the backbone starts from."""
        return pretrained_setting(
            self.weights, "pretrained_backbone", f"weights of a {self.name} classifier for the backbone alone"
        )

    def at(self, place: str) -> Backbone:
        """The same trunk in a model that keeps it at `place`."""
        return replace(self, prefixes=tuple((old, place) for old, _ in self.prefixes))


RESNET18 = Backbone("resnet18", ("IMAGENET1K_V1",), ("fc.",), (("", "backbone."),))
RESNET50 = Backbone("resnet50", ("IMAGENET1K_V1", "IMAGENET1K_V2"), ("fc.",), (("", "backbone."),))
RESNET101 = Backbone("resnet101", ("IMAGENET1K_V1", "IMAGENET1K_V2"), ("fc.",), (("", "backbone."),))
MOBILENET_V3_LARGE = Backbone(
    "mobilenet_v3_large",
    ("IMAGENET1K_V1", "IMAGENET1K_V2"),
    ("classifier.",),
    (("features.", "backbone."),),
)
VGG16 = Backbone(
    "vgg16",
    ("IMAGENET1K_FEATURES", "IMAGENET1K_V1"),
    ("classifier.",),
    (
        ("features.24.", "backbone.extra.0.1."),
        ("features.26.", "backbone.extra.0.3."),
        ("features.28.", "backbone.extra.0.5."),
        ("features.", "backbone.features."),
    ),
)


def check_choices(
    pretrained: bool | str | Path,
    names: Sequence[str],
    backbone: Backbone | None,
    pretrained_backbone: bool | str | Path,
) -> None:
    """Refuse choices of weights that contradict each other or name none, before anything is built.

    Raises:
        ValueError: if both are given, or a path is not called like a weights file.
        imgfw.DataError: if a file is missing.
    """
    from imgfw_plugins.models.weight_files import check_source

    if pretrained is not False and pretrained_backbone is not False:
        raise ValueError("pretrained already brings the backbone's weights; drop pretrained_backbone")
    if isinstance(pretrained, Path):
        check_source("pretrained", pretrained, names)
    if backbone and isinstance(pretrained_backbone, Path):
        check_source("pretrained_backbone", pretrained_backbone, backbone.weights)


def load_backbone(model: nn.Module, backbone: Backbone, choice: bool | str | Path, info: DatasetInfo) -> None:
    """Copy the trunk of a pretrained classifier into a model.

    Args:
        model: changed in place; its stem must already take the data's channels.
        backbone: which classifier, and where its parts go.
        choice: the setting `pretrained_backbone`, not false.
        info: what is known of the data.

    Raises:
        imgfw.DataError: for weights that cannot be had or don't fit the classifier.
    """
    from imgfw_plugins.models import classification
    from imgfw_plugins.models.weight_loading import rename_prefixes

    published = backbone.weights[0] if choice is True else choice
    classifier = getattr(classification, backbone.name)(info, pretrained=published)
    trunk = rename_prefixes(classifier.state_dict(), backbone.prefixes, without=backbone.head)
    model.load_state_dict(trunk, strict=False)
