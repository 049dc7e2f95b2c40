from __future__ import annotations

import inspect

import pytest
import torch
from imgfw.contract.about import facts_about
from imgfw_plugins import models as providers
from imgfw_plugins.models import detection
from safetensors.torch import save_file
from torchvision import models
from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn

QUICK = [
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fcos_resnet18_fpn",
    "retinanet_resnet50_fpn",
    "ssdlite320_mobilenet_v3_large",
]
SMALL = "fasterrcnn_mobilenet_v3_large_320_fpn"


def targets() -> list[dict[str, torch.Tensor]]:
    boxes = torch.tensor([[5.0, 5.0, 30.0, 40.0], [10.0, 20.0, 60.0, 60.0]])
    return [{"boxes": boxes.clone(), "labels": torch.tensor([0, 3])} for _ in range(2)]


def resized(name: str) -> dict[str, int]:
    """Settings that keep images at 64 pixels, where the detector has them."""
    provider = getattr(detection, name, providers.fcos_resnet18_fpn)
    return {"min_size": 64, "max_size": 64} if "min_size" in inspect.signature(provider).parameters else {}


def test_every_torchvision_box_detector_is_provided():
    published = {name for name in models.list_models(module=models.detection) if "keypoint" not in name}
    assert {provider.__name__ for provider in detection.PROVIDERS} == {
        name for name in published if "mask" not in name
    }


@pytest.mark.parametrize("name", sorted(set(detection.DETECTORS) - {"ssdlite320_mobilenet_v3_large"}))
def test_published_weights_and_heads_are_named_right(name, build, info):
    assert [weights.name for weights in models.get_model_weights(name)] == list(detection.WEIGHTS)
    with torch.device("meta"):
        three, seven = (build(name, info("detection", classes)).state_dict() for classes in (3, 7))
    differing = {key for key in three if three[key].shape != seven[key].shape}
    assert differing == {key for key in three if key.startswith(detection.DETECTORS[name].classes)}
    stated = facts_about(getattr(detection, name))
    assert {key for key in three if not key.startswith("backbone.")} == {
        key for key in three if key.startswith(stated.head)
    }


@pytest.mark.parametrize("name", sorted(detection.DETECTORS))
def test_the_default_thresholds_and_sizes_are_torchvisions(name, build, info):
    with torch.device("cpu" if name.startswith("ssdlite") else "meta"):
        ours = build(name, info("detection", 4))
        classes = 4 + detection.DETECTORS[name].background
        bare = models.get_model(name, weights=None, weights_backbone=None, num_classes=classes)
    assert str(ours.transform) == str(bare.transform)
    for holder, bare_holder in (
        (ours, bare),
        (getattr(ours, "roi_heads", ours), getattr(bare, "roi_heads", bare)),
    ):
        for threshold in ("score_thresh", "nms_thresh", "detections_per_img"):
            assert getattr(holder, threshold, None) == getattr(bare_holder, threshold, None)


@pytest.mark.parametrize("name", QUICK)
def test_losses_are_finite_and_labels_start_at_zero(name, build, info):
    torch.manual_seed(0)
    model = build(name, info("detection", 4, channels=1), score_thresh=0.0, **resized(name)).train()
    images = torch.rand(2, 1, 64, 64)
    losses = model(images, targets())
    assert torch.isfinite(sum(losses.values()))
    model.eval()
    with torch.no_grad():
        predictions = model(images)
    assert len(predictions) == 2
    labels = torch.cat([each["labels"] for each in predictions])
    assert len(labels) > 0
    assert 0 <= labels.min() <= labels.max() <= 3


@pytest.mark.parametrize("name", [SMALL, "ssdlite320_mobilenet_v3_large"])
def test_labels_are_shifted_past_the_background_and_back(name, build, info):
    model = build(name, info("detection", 4), **resized(name)).train()
    seen = {}
    inner = model.transform.forward

    def spy(images, given=None):
        seen["labels"] = None if given is None else given[0]["labels"].clone()
        return inner(images, given)

    model.transform.forward = spy
    given = targets()
    model(torch.rand(2, 3, 64, 64), given)
    assert seen["labels"].tolist() == [1, 4]
    assert [each["labels"].tolist() for each in given] == [[0, 3], [0, 3]]


def test_images_may_be_a_list_of_different_sizes(build, info):
    model = build("fcos_resnet18_fpn", info("detection", 4)).train()
    losses = model([torch.rand(3, 64, 64), torch.rand(3, 70, 50)], targets())
    assert torch.isfinite(sum(losses.values()))


def test_the_small_fcos_sees_images_at_their_own_size(build, info):
    model = build("fcos_resnet18_fpn", info("detection", 4, size=(96, 80)))
    assert (model.transform.min_size, model.transform.max_size) == ((80,), 96)


@pytest.mark.parametrize("channels", [1, 4])
def test_normalisation_and_stem_have_the_images_channels(channels, build, info):
    model = build(SMALL, info("detection", 4, channels=channels), **resized(SMALL)).eval()
    assert len(model.transform.image_mean) == len(model.transform.image_std) == channels
    with torch.no_grad():
        assert len(model(torch.rand(1, channels, 64, 64))) == 1


def test_the_state_dict_is_torchvisions_own_with_and_without_pretrained_weights(build, info, tmp_path):
    fresh = build(SMALL, info("detection", 4)).state_dict()
    save_file(fresh, tmp_path / "w.safetensors")
    loaded = build(SMALL, info("detection", 4), pretrained=tmp_path / "w.safetensors").state_dict()
    bare = fasterrcnn_mobilenet_v3_large_320_fpn(weights=None, weights_backbone=None, num_classes=5)
    bare.load_state_dict(fresh, strict=True)
    assert loaded.keys() == fresh.keys()
    assert all(torch.equal(loaded[key], fresh[key]) for key in fresh)


def test_pretrained_batch_norms_stay_as_they_are_in_training(build, info, tmp_path):
    save_file(build("resnet18", info(classes=3)).state_dict(), tmp_path / "w.safetensors")
    data = info("detection", 4, size=(64, 64))
    model = build("fcos_resnet18_fpn", data, pretrained_backbone=tmp_path / "w.safetensors").train()
    norms = [module for module in model.backbone.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms]
    model(torch.rand(2, 3, 64, 64), targets())
    assert all(torch.equal(norm.running_mean, mean) for norm, mean in zip(norms, before, strict=True))
    assert not any(norm.weight.requires_grad for norm in norms)


def test_batch_norms_train_from_scratch(build, info):
    model = build("fcos_resnet18_fpn", info("detection", 4, size=(64, 64))).train()
    model(torch.rand(2, 3, 64, 64), targets())
    assert model.backbone.body.bn1.running_mean.abs().sum() > 0
    assert all(parameter.requires_grad for parameter in model.parameters())
