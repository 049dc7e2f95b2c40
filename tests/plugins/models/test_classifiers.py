from __future__ import annotations

import pytest
import torch
from imgfw.contract.about import facts_about
from imgfw_plugins.models import classification
from imgfw_plugins.models.families import FAMILIES
from torchvision import models

SMALLEST = [
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "googlenet",
    "mnasnet0_5",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "regnet_x_400mf",
    "regnet_y_400mf",
    "resnet18",
    "shufflenet_v2_x0_5",
    "squeezenet1_0",
    "swin_t",
]
WITH_SMALL_INPUT = {name for family in FAMILIES if family.small_input for name in family.members}


@pytest.mark.parametrize("name", SMALLEST)
def test_each_family_trains_on_images_of_its_smallest_size(name, build, info):
    size = facts_about(getattr(classification, name)).min_size
    model = build(name, info(channels=1)).train()
    outputs = model(torch.zeros(2, 1, size, size))
    logits = outputs if isinstance(outputs, torch.Tensor) else outputs.logits
    assert logits.shape == (2, 10)


@pytest.mark.parametrize("name", ["alexnet", "convnext_tiny", "densenet121", "squeezenet1_0", "swin_t"])
def test_a_size_below_the_stated_minimum_fails(name, build):
    size = facts_about(getattr(classification, name)).min_size - 1
    with pytest.raises(RuntimeError):
        build(name).train()(torch.zeros(2, 3, size, size))


@pytest.mark.parametrize("name", sorted(WITH_SMALL_INPUT & set(SMALLEST)))
def test_small_input_takes_32_pixels_in_eval_mode(name, build):
    model = build(name, small_input=True).eval()
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


def test_small_input_keeps_a_resnet_from_shrinking_32_pixels_to_one(build):
    seen = {}
    model = build("resnet18", small_input=True).eval()
    model.layer4.register_forward_hook(lambda module, args, output: seen.update(size=output.shape[-2:]))
    with torch.no_grad():
        model(torch.zeros(1, 3, 32, 32))
    assert tuple(seen["size"]) == (4, 4)
    assert model.conv1.weight.shape == (64, 3, 3, 3)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_auxiliary_outputs_are_named_as_stated(name, build):
    stated = facts_about(getattr(classification, name))
    model = build(name).train()
    with torch.no_grad():
        outputs = model(torch.zeros(2, 3, stated.min_size, stated.min_size))
        assert set(outputs._fields) == {"logits", *stated.auxiliary}
        assert all(output.shape == (2, 10) for output in outputs)
        with pytest.raises(RuntimeError):
            model(torch.zeros(2, 3, stated.min_size - 1, stated.min_size - 1))


@pytest.mark.parametrize("name", ["resnet18", "inception_v3"])
def test_the_state_dict_loads_into_the_bare_torchvision_model(name, build):
    extra = {"init_weights": False} if name == "inception_v3" else {}
    ours = build(name).eval()
    bare = models.get_model(name, weights=None, num_classes=10, **extra).eval()
    bare.load_state_dict(ours.state_dict(), strict=True)
    images = torch.rand(1, 3, 80, 80)
    with torch.no_grad():
        assert torch.equal(ours(images), bare(images))


@pytest.mark.parametrize(
    ("name", "settings", "module", "attribute", "value"),
    [
        ("vgg11", {"dropout": 0.25}, "classifier.2", "p", 0.25),
        ("googlenet", {"dropout_aux": 0.25}, "aux1.dropout", "p", 0.25),
        ("densenet121", {"drop_rate": 0.25}, "features.denseblock1.denselayer1", "drop_rate", 0.25),
        (
            "vit_b_16",
            {"attention_dropout": 0.25},
            "encoder.layers.encoder_layer_0.self_attention",
            "dropout",
            0.25,
        ),
        ("convnext_tiny", {"stochastic_depth_prob": 0.25}, "features.7.2.stochastic_depth", "p", 0.25),
    ],
)
def test_settings_reach_torchvisions_constructor(name, settings, module, attribute, value, build):
    with torch.device("meta"):
        model = build(name, **settings)
    assert getattr(model.get_submodule(module), attribute) == value


@pytest.mark.parametrize("size", [(32, 32), (48, 48)])
def test_a_vision_transformer_is_built_for_the_images_size(size, build, info):
    with torch.device("meta"):
        model = build("vit_b_16", info(size=size))
    assert model(torch.zeros(1, 3, *size, device="meta")).shape == (1, 10)


def test_a_vision_transformer_takes_224_pixels_where_the_size_is_unknown(build):
    with torch.device("meta"):
        assert build("vit_b_16").image_size == 224


@pytest.mark.parametrize(
    ("size", "works"), [((100, 100), "96x96 and 112x112"), ((32, 64), "32x32 and 48x48")]
)
def test_a_size_that_a_vision_transformer_cannot_cut_is_refused_with_sizes_that_work(
    size, works, build, info
):
    with pytest.raises(ValueError, match=works):
        build("vit_b_16", info(size=size))


def test_maxvit_refuses_sizes_that_its_windows_do_not_divide(build, info):
    for height, width in ((256, 256), (224, 448)):
        with pytest.raises(ValueError, match=f"multiple of 224, not {height}x{width}"):
            build("maxvit_t", info(size=(height, width)))
