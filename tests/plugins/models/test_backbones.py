from __future__ import annotations

import pytest
import torch
from imgfw_plugins.models.backbones import RESNET18
from imgfw_plugins.models.detection import DETECTORS
from imgfw_plugins.models.segmentation import SEGMENTERS
from imgfw_plugins.models.weight_loading import rename_prefixes
from torchvision import models

BACKBONES = {name: model.backbone for name, model in {**SEGMENTERS, **DETECTORS}.items() if model.backbone}
BACKBONES["fcos_resnet18_fpn"] = RESNET18.at("backbone.body.")


@pytest.mark.parametrize("name", BACKBONES)
def test_every_tensor_of_the_classifiers_trunk_has_its_place(name, build, info):
    with torch.device("meta"):
        model = build(name, info("detection", 2)).state_dict()
        classifier = models.get_model(BACKBONES[name].name, weights=None).state_dict()
    trunk = rename_prefixes(classifier, BACKBONES[name].prefixes, without=BACKBONES[name].head)
    assert {key: value.shape for key, value in trunk.items()} == {
        key: model[key].shape for key in trunk if key in model
    }


@pytest.mark.parametrize("name", BACKBONES)
def test_the_weights_names_are_those_of_the_classifier(name):
    published = [weights.name for weights in models.get_model_weights(BACKBONES[name].name)]
    assert sorted(BACKBONES[name].weights) == sorted(published)
