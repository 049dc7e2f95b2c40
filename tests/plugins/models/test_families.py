from __future__ import annotations

import inspect
import json
import sys

import pytest
import torch
from imgfw import About
from imgfw.contract.about import facts_about
from imgfw_plugins.models import PROVIDERS, classification
from imgfw_plugins.models.families import FAMILIES
from pydantic import ConfigDict, TypeAdapter, ValidationError, create_model
from torchvision import models

MEMBERS = {name: family for family in FAMILIES for name in family.members}
# RegNets compute their widths with tensors, which the meta device does not allow.
ON_META = [name for name in MEMBERS if not name.startswith("regnet")]
FIRSTS = [next(iter(family.members)) for family in FAMILIES]
WITH_OWN_DEFAULTS = [name for family in FAMILIES for name in family.own_settings]


def facts(name: str) -> About:
    return facts_about(getattr(classification, name))


def settings_model(name: str):
    parameters = inspect.signature(getattr(classification, name)).parameters.values()
    fields = {each.name: (each.annotation, each.default) for each in parameters if each.name != "info"}
    return create_model(name, __config__=ConfigDict(strict=True, extra="forbid"), **fields)


def test_every_torchvision_classifier_is_provided():
    provided = {provider.__name__ for provider in classification.PROVIDERS}
    assert provided == set(models.list_models(module=models))


@pytest.mark.parametrize("name", MEMBERS)
def test_the_weights_names_are_those_that_torchvision_publishes(name):
    published = [weights.name for weights in models.get_model_weights(name)]
    assert sorted(MEMBERS[name].members[name]) == sorted(published)


def test_no_two_models_share_a_name():
    names = [provider.__name__ for provider in PROVIDERS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", FIRSTS)
def test_only_the_heads_parameters_depend_on_the_number_of_classes(name, build, info):
    device = "cpu" if name.startswith("regnet") else "meta"
    with torch.device(device):
        three = build(name, info(classes=3)).state_dict()
        seven = build(name, info(classes=7)).state_dict()
    differing = {key for key in three if three[key].shape != seven[key].shape}
    heads = {key for key in three if key.startswith(facts(name).head)}
    assert differing == heads
    assert all(three[key].shape[0] == 3 for key in heads)
    assert all(any(key.startswith(prefix) for key in heads) for prefix in facts(name).head)


@pytest.mark.parametrize("name", [name for name in FIRSTS if name in ON_META])
def test_default_settings_build_what_torchvision_builds_by_default(name, build, info):
    with torch.device("meta"):
        ours = build(name, info(classes=1000))
        bare = models.get_model(name, **MEMBERS[name].constructor)
    assert str(ours) == str(bare)


@pytest.mark.parametrize("name", WITH_OWN_DEFAULTS)
def test_members_own_defaults_are_torchvisions(name, build, monkeypatch):
    module = sys.modules[models.get_model_builder(name).__module__]
    given = []

    def record(self, setting, *args, **kwargs):
        given.append((*args, kwargs.get("stochastic_depth_prob", 0.2)))

    for constructor in ("ConvNeXt", "EfficientNet"):
        if hasattr(module, constructor):
            monkeypatch.setattr(getattr(module, constructor), "__init__", record)
    models.get_model(name)
    with pytest.raises(AttributeError):  # what it made is no module
        build(name)
    assert given[0] == given[1]


@pytest.mark.parametrize("name", [name for name in FIRSTS if name in ON_META and MEMBERS[name].small_input])
def test_small_input_quarters_the_shrinking(name, build, info):
    with torch.device("meta"):
        strides = [
            product_of_strides(build(name, info(), small_input=small), MEMBERS[name].small_input)
            for small in (False, True)
        ]
    assert strides == [4, 1]


def product_of_strides(model: torch.nn.Module, modules: tuple[str, ...]) -> int:
    product = 1
    for module in modules:
        for part in model.get_submodule(module).modules():
            if isinstance(part, torch.nn.Conv2d | torch.nn.MaxPool2d):
                product *= part.stride[0] if isinstance(part.stride, tuple) else part.stride
    return product


@pytest.mark.parametrize(
    ("written", "meant"),
    [("true", bool), ("false", bool), ('"IMAGENET1K_V2"', str), ('"weights/mine.pth"', "path")],
)
def test_pretrained_is_a_flag_a_weights_name_or_a_path(written, meant):
    value = settings_model("resnet50").model_validate_json(f'{{"pretrained": {written}}}').pretrained
    assert isinstance(value, meant) if meant != "path" else value.suffix == ".pth"


@pytest.mark.parametrize("wrong", [{"dropout": 1.0}, {"dropout": "0.5"}, {"pretrained": 1}, {"drop": 0.5}])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        settings_model("vgg16").model_validate_json(json.dumps(wrong))


@pytest.mark.parametrize("name", MEMBERS)
def test_every_default_is_valid_and_every_setting_documented(name):
    provider = getattr(classification, name)
    for parameter in list(inspect.signature(provider).parameters.values())[1:]:
        TypeAdapter(parameter.annotation).validate_python(parameter.default, strict=True)
        assert f"    {parameter.name}: " in provider.__doc__


def test_generated_providers_look_like_written_ones():
    provider = classification.resnet50
    assert (provider.__name__, provider.__qualname__) == ("resnet50", "resnet50")
    assert provider.__module__ == "imgfw_plugins.models.classification"
    assert provider.__doc__.startswith("The ResNet image classifier `resnet50`")
    with pytest.raises(TypeError, match="widht"):
        provider(None, widht=3)
