from __future__ import annotations

import pytest
import torch
from imgfw import DataError
from imgfw.contract.about import facts_about
from imgfw_plugins.models import segmentation
from safetensors.torch import save_file
from torchvision import models
from torchvision.models.segmentation import fcn_resnet50


def test_every_torchvision_segmentation_model_is_provided():
    provided = {provider.__name__ for provider in segmentation.PROVIDERS}
    assert provided == set(models.list_models(module=models.segmentation))


@pytest.mark.parametrize("name", sorted(segmentation.SEGMENTERS))
def test_published_weights_and_heads_are_named_right(name, build, info):
    assert [weights.name for weights in models.get_model_weights(name)] == list(segmentation.WEIGHTS)
    with torch.device("meta"):
        three, seven = (build(name, info("segmentation", classes)).state_dict() for classes in (3, 7))
    differing = {key for key in three if three[key].shape != seven[key].shape}
    assert differing == {key for key in three if key.startswith(segmentation.SEGMENTERS[name].classes)}
    stated = facts_about(getattr(segmentation, name))
    assert {key for key in three if not key.startswith("backbone.")} == {
        key for key in three if key.startswith(stated.head)
    }


@pytest.mark.parametrize(
    "name", ["lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large", "fcn_resnet50"]
)
@pytest.mark.parametrize("size", [(1, 1), (33, 20)])
def test_logits_have_the_images_size_and_auxiliary_ones_are_named_as_stated(name, size, build, info):
    model = build(name, info("segmentation", 4, channels=1)).train()
    with torch.no_grad():
        outputs = model(torch.zeros(2, 1, *size))
    assert set(outputs) == {"out", *facts_about(getattr(segmentation, name)).auxiliary}
    assert all(output.shape == (2, 4, *size) for output in outputs.values())


def test_the_state_dict_loads_into_the_bare_torchvision_model(build, info):
    bare = fcn_resnet50(weights=None, weights_backbone=None, num_classes=4, aux_loss=True)
    state = build("fcn_resnet50", info("segmentation", 4)).state_dict()
    bare.load_state_dict(state, strict=True)
    assert all(torch.equal(tensor, state[name]) for name, tensor in bare.state_dict().items())


def test_a_model_of_other_classes_is_a_start_for_another_head(build, info, tmp_path):
    state = build("lraspp_mobilenet_v3_large", info("segmentation", 4)).state_dict()
    save_file(state, tmp_path / "w.safetensors")
    other = build(
        "lraspp_mobilenet_v3_large", info("segmentation", 6), pretrained=tmp_path / "w.safetensors"
    ).state_dict()
    fitting = [key for key in state if state[key].shape == other[key].shape]
    assert len(state) - len(fitting) == 4
    assert all(torch.equal(state[key], other[key]) for key in fitting)


def test_a_classifiers_weights_start_the_backbone(build, info, tmp_path):
    trained = build("mobilenet_v3_large", info(classes=5)).state_dict()
    save_file(trained, tmp_path / "w.safetensors")
    model = build(
        "lraspp_mobilenet_v3_large", info("segmentation", 4), pretrained_backbone=tmp_path / "w.safetensors"
    )
    backbone = model.backbone.state_dict()
    assert all(torch.equal(value, trained[f"features.{key}"]) for key, value in backbone.items())


def test_weights_of_another_classifier_are_no_backbone(build, info, tmp_path):
    save_file(build("mobilenet_v3_small").state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(DataError, match="does not fit"):
        build(
            "lraspp_mobilenet_v3_large", info("segmentation"), pretrained_backbone=tmp_path / "w.safetensors"
        )


def test_two_sources_for_the_backbone_are_refused(build, info):
    with pytest.raises(ValueError, match="drop pretrained_backbone"):
        build("fcn_resnet50", info("segmentation"), pretrained=True, pretrained_backbone=True)
